#include <algorithm>

#include "llm/chat_template/builtins.h"
#include "llm/chat_template/operators.h"

namespace halftone::jinja {
namespace {

constexpr std::string_view kBlanks = " \t\n\r\v\f\x1c\x1d\x1e\x1f\u0085\u00a0\u2028\u2029\u3000";

struct Method {
  std::string_view name;
  Builtin call;
};

const std::string& text_argument(const Call& call, size_t position, std::string_view argument, Value& keep) {
  keep = call.require(position, argument);
  if (!keep.is_string()) throw InputError("{}: expected a string, found {}", call.name, keep.kind_name());
  return keep.string();
}

int64_t integer_argument(const Call& call, size_t position, std::string_view argument, int64_t fallback) {
  const Value value = call.get(position, argument, Value(fallback));
  if (!value.is_integer())
    throw InputError("{}: expected an integer, found {}", call.name, value.kind_name());
  return value.integer();
}

template <bool left, bool right>
Value strip(const Value& self, const Call& call) {
  call.at_most(1);
  const Value set = call.get(0, "chars", Value::none());
  if (!set.is_none() && !set.is_string())
    throw InputError("{}: expected a string, found {}", call.name, set.kind_name());
  const std::string_view drop = set.is_none() ? kBlanks : std::string_view(set.string());
  call.meter.spend(self.string().size() * (1 + (set.is_none() ? 0 : drop.size() / 16)));
  return trimmed(self.string(), drop, left, right);
}

/// Words between blanks, the last one whole when `most` cuts are done.
List split_blanks(const std::string& text, int64_t most) {
  constexpr std::string_view kAscii = " \t\n\r\v\f";
  List parts;
  size_t at = text.find_first_not_of(kAscii);
  while (at != std::string::npos) {
    size_t end = std::min(text.find_first_of(kAscii, at), text.size());
    if (most >= 0 && static_cast<int64_t>(parts.size()) == most) end = text.find_last_not_of(kAscii) + 1;
    parts.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(kAscii, end);
  }
  return parts;
}

List split_at(const std::string& text, const std::string& separator, int64_t most, bool from_right) {
  if (separator.empty()) throw InputError("split: the separator is empty");
  std::vector<std::string> parts;
  if (!from_right) {
    size_t at = 0;
    for (size_t found; (most < 0 || static_cast<int64_t>(parts.size()) < most) &&
                       (found = text.find(separator, at)) != std::string::npos;
         at = found + separator.size())
      parts.emplace_back(text.substr(at, found - at));
    parts.emplace_back(text.substr(at));
    return List(parts.begin(), parts.end());
  }
  size_t end = text.size();
  while ((most < 0 || static_cast<int64_t>(parts.size()) < most) && end >= separator.size()) {
    const size_t found = text.rfind(separator, end - separator.size());
    if (found == std::string::npos) break;
    parts.emplace_back(text.substr(found + separator.size(), end - found - separator.size()));
    end = found;
  }
  parts.emplace_back(text.substr(0, end));
  return List(parts.rbegin(), parts.rend());
}

template <bool from_right>
Value split(const Value& self, const Call& call) {
  call.at_most(2);
  const Value separator = call.get(0, "sep", Value::none());
  const int64_t most = integer_argument(call, 1, "maxsplit", -1);
  call.meter.spend(self.string().size() * Meter::kStep);
  if (separator.is_none()) {
    if (from_right && most >= 0) throw InputError("rsplit: maxsplit needs a separator here");
    return Value(split_blanks(self.string(), most));
  }
  if (!separator.is_string()) throw InputError("split: expected a string, found {}", separator.kind_name());
  return Value(split_at(self.string(), separator.string(), most, from_right));
}

Value splitlines(const Value& self, const Call& call) {
  call.meter.spend(self.string().size() * Meter::kStep);
  const bool keep_ends = call.get(0, "keepends", Value(false)).truthy();
  const std::string& text = self.string();
  List lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of("\n\r", at), text.size());
    size_t next = std::min(end + 1, text.size());
    if (text.compare(end, 2, "\r\n") == 0) next = end + 2;
    lines.emplace_back(text.substr(at, (keep_ends ? next : end) - at));
    at = next;
  }
  return Value(std::move(lines));
}

template <bool at_start>
Value has_affix(const Value& self, const Call& call) {
  call.at_most(1);
  const Value affix = call.require(0, "prefix");
  auto matches = [&](const Value& one) {
    if (!one.is_string()) throw InputError("{}: expected a string, found {}", call.name, one.kind_name());
    call.meter.spend(one.string().size());
    return at_start ? self.string().starts_with(one.string()) : self.string().ends_with(one.string());
  };
  if (affix.kind() == Value::Kind::tuple)
    return Value(std::any_of(affix.items().begin(), affix.items().end(), matches));
  return Value(matches(affix));
}

template <bool at_start>
Value remove_affix(const Value& self, const Call& call) {
  call.at_most(1);
  Value keep;
  const std::string& affix = text_argument(call, 0, "prefix", keep);
  const std::string& text = self.string();
  call.meter.spend(text.size());
  if (at_start) return text.starts_with(affix) ? Value(text.substr(affix.size())) : self;
  return text.ends_with(affix) ? Value(text.substr(0, text.size() - affix.size())) : self;
}

Value replace(const Value& self, const Call& call) {
  call.at_most(3);
  Value from, to;
  text_argument(call, 0, "old", from);
  text_argument(call, 1, "new", to);
  return replaced(self.string(), from.string(), to.string(), integer_argument(call, 2, "count", -1),
                  call.meter);
}

template <bool from_right>
Value find(const Value& self, const Call& call) {
  call.at_most(1);
  Value what;
  text_argument(call, 0, "sub", what);
  call.meter.spend(self.string().size());
  const size_t at = from_right ? self.string().rfind(what.string()) : self.string().find(what.string());
  if (at == std::string::npos) return Value(int64_t{-1});
  return Value(static_cast<int64_t>(characters(std::string_view(self.string()).substr(0, at)).size()));
}

Value count(const Value& self, const Call& call) {
  call.at_most(1);
  Value what;
  text_argument(call, 0, "sub", what);
  call.meter.spend(self.string().size());
  if (what.string().empty()) return Value(static_cast<int64_t>(characters(self.string()).size()) + 1);
  int64_t times = 0;
  for (size_t at = 0; (at = self.string().find(what.string(), at)) != std::string::npos;
       at += what.string().size())
    ++times;
  return Value(times);
}

Value join(const Value& self, const Call& call) {
  call.at_most(1);
  return joined(iterate(call.require(0, "iterable"), call.meter), self.string(), call.meter);
}

template <std::string (*change)(std::string_view)>
Value changed(const Value& self, const Call& call) {
  call.at_most(0);
  call.meter.spend(self.string().size());
  return change(self.string());
}

template <class Check>
Value all_bytes(const Value& self, const Call& call, Check check) {
  call.meter.spend(self.string().size());
  return Value(!self.string().empty() && std::all_of(self.string().begin(), self.string().end(), check));
}

Value is_digit(const Value& self, const Call& call) {
  return all_bytes(self, call, [](char c) { return c >= '0' && c <= '9'; });
}

Value is_space(const Value& self, const Call& call) {
  return all_bytes(self, call, [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
}

Value items(const Value& self, const Call& call) {
  call.at_most(0);
  call.meter.spend(self.weight() + self.entries().size() * Meter::kStep);
  List pairs;
  for (const auto& [key, value] : self.entries()) pairs.push_back(Value(List{Value(key), value}, true));
  return Value(std::move(pairs));
}

Value keys(const Value& self, const Call& call) {
  return Value(iterate(self, call.meter));
}

Value values(const Value& self, const Call& call) {
  call.at_most(0);
  call.meter.spend(self.entries().size() * Meter::kStep);
  List list;
  for (const auto& entry : self.entries()) list.push_back(entry.second);
  return Value(std::move(list));
}

Value get(const Value& self, const Call& call) {
  call.at_most(2);
  const Value key = call.require(0, "key");
  call.meter.spend(self.entries().size());
  const Value* found = key.is_string() ? self.find(key.string()) : nullptr;
  return found ? *found : call.get(1, "default", Value::none());
}

constexpr Method kStringMethods[] = {
    {"strip", strip<true, true>},
    {"lstrip", strip<true, false>},
    {"rstrip", strip<false, true>},
    {"split", split<false>},
    {"rsplit", split<true>},
    {"splitlines", splitlines},
    {"startswith", has_affix<true>},
    {"endswith", has_affix<false>},
    {"removeprefix", remove_affix<true>},
    {"removesuffix", remove_affix<false>},
    {"replace", replace},
    {"find", find<false>},
    {"rfind", find<true>},
    {"count", count},
    {"join", join},
    {"upper", changed<upper>},
    {"lower", changed<lower>},
    {"capitalize", changed<capitalized>},
    {"title", changed<titled>},
    {"isdigit", is_digit},
    {"isspace", is_space},
};
constexpr Method kDictMethods[] = {{"items", items}, {"keys", keys}, {"values", values}, {"get", get}};
constexpr std::string_view kForbidden[] = {"append", "extend", "insert",     "pop",    "remove",
                                           "clear",  "update", "setdefault", "popitem"};

}  // namespace

std::shared_ptr<const Callable> find_method(const Value& value, const std::string& name) {
  auto bound = [&](std::span<const Method> methods) -> std::shared_ptr<const Callable> {
    for (const Method& method : methods)
      if (method.name == name)
        return std::make_shared<const Callable>(Callable{
            name, [value, call = method.call](const Call& arguments) { return call(value, arguments); }});
    return nullptr;
  };
  if (value.is_string()) return bound(kStringMethods);
  if (value.is_sequence() || value.is_dict())
    if (!(value.is_dict() && value.find(name)))
      if (std::find(std::begin(kForbidden), std::end(kForbidden), name) != std::end(kForbidden))
        throw InputError("{} would change {}; templates may not", name, value.kind_name());
  return value.is_dict() ? bound(kDictMethods) : nullptr;
}

}  // namespace halftone::jinja
