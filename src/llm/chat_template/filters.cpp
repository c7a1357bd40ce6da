#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "llm/chat_template/builtins.h"
#include "llm/chat_template/operators.h"

namespace halftone::jinja {
namespace {

struct Entry {
  std::string_view name;
  Builtin call;
};

std::string as_text(const Value& value, const Call& call) {
  return text_of(value, call.meter);
}

Value length(const Value& self, const Call& call) {
  if (self.is_undefined()) return Value(int64_t{0});
  if (self.is_string()) {
    call.meter.spend(self.string().size());
    return Value(static_cast<int64_t>(characters(self.string()).size()));
  }
  if (self.is_sequence()) return Value(static_cast<int64_t>(self.items().size()));
  if (self.is_dict()) return Value(static_cast<int64_t>(self.entries().size()));
  throw InputError("length: {} has none", self.kind_name());
}

Value trim(const Value& self, const Call& call) {
  const Value set = call.get(0, "chars", Value::none());
  const Value text(as_text(self, call));
  if (set.is_none()) return find_method(text, "strip")->call({"trim", call.meter});
  return find_method(text, "strip")->call({"trim", call.meter, {set}});
}

template <std::string (*change)(std::string_view)>
Value changed(const Value& self, const Call& call) {
  return change(as_text(self, call));
}

Value fallback(const Value& self, const Call& call) {
  const bool also_false = call.get(1, "boolean", Value(false)).truthy();
  const bool missing = self.is_undefined() || (also_false && !self.truthy());
  return missing ? call.get(0, "default_value", Value("")) : self;
}

Value attribute_path(const Value& value, const Value& path, Meter& meter) {
  if (path.is_integer()) return index(value, path, meter);
  if (!path.is_string()) throw InputError("an attribute's name is a string, found {}", path.kind_name());
  Value result = value;
  size_t at = 0;
  while (at <= path.string().size()) {
    const size_t dot = std::min(path.string().find('.', at), path.string().size());
    result = index(result, Value(path.string().substr(at, dot - at)), meter);
    at = dot + 1;
  }
  return result;
}

Value join(const Value& self, const Call& call) {
  List items = iterate(self, call.meter);
  const Value path = call.get(1, "attribute", Value::none());
  if (!path.is_none())
    for (Value& item : items) item = attribute_path(item, path, call.meter);
  return joined(items, as_text(call.get(0, "d", Value("")), call), call.meter);
}

Value first(const Value& self, const Call& call) {
  List items = iterate(self, call.meter);
  return items.empty() ? Value::undefined("the first of nothing") : items.front();
}

Value last(const Value& self, const Call& call) {
  List items = iterate(self, call.meter);
  return items.empty() ? Value::undefined("the last of nothing") : items.back();
}

Value list(const Value& self, const Call& call) {
  return Value(iterate(self, call.meter));
}
Value string(const Value& self, const Call& call) {
  return as_text(self, call);
}
Value same(const Value& self, const Call&) {
  return self;
}

/// The number that a text is, with blanks around it and a sign before it.
template <class T>
std::optional<T> parsed(const std::string& text) {
  const std::string digits = trimmed(text, " \t\n\r\v\f", true, true);
  const bool plus = digits.starts_with('+') && !digits.starts_with("+-");
  const char *begin = digits.data() + (plus ? 1 : 0), *end = digits.data() + digits.size();
  T value = 0;
  const auto result = std::from_chars(begin, end, value);
  return result.ec == std::errc() && result.ptr == end ? std::optional(value) : std::nullopt;
}

Value integer(const Value& self, const Call& call) {
  const Value otherwise = call.get(0, "default", Value(int64_t{0}));
  if (self.is_integer()) return Value(self.integer());
  std::optional<double> number;
  if (self.kind() == Value::Kind::number) number = self.number();
  if (self.is_string()) {
    if (const auto whole = parsed<int64_t>(self.string())) return Value(*whole);
    number = parsed<double>(self.string());
  }
  return number && std::abs(*number) < 9e18 ? Value(static_cast<int64_t>(*number)) : otherwise;
}

Value number(const Value& self, const Call& call) {
  if (self.is_number()) return Value(self.number());
  const Value otherwise = call.get(0, "default", Value(0.0));
  const auto value = self.is_string() ? parsed<double>(self.string()) : std::nullopt;
  return value ? Value(*value) : otherwise;
}

Value tojson(const Value& self, const Call& call) {
  for (const char* option : {"sort_keys", "separators"})
    if (call.get(SIZE_MAX, option, Value()).truthy())
      throw InputError("tojson: {} is not known here", option);
  const Value indent = call.get(0, "indent", Value::none());
  if (!indent.is_none() && (!indent.is_integer() || indent.integer() < 0 || indent.integer() > 16))
    throw InputError("tojson: indent is 0 to 16");
  call.meter.spend(self.weight() * (indent.is_none() ? 2 : 64));
  return self.json(indent.is_none() ? -1 : static_cast<int>(indent.integer()));
}

Value replace(const Value& self, const Call& call) {
  const Value count = call.get(2, "count", Value::none());
  return replaced(as_text(self, call), as_text(call.require(0, "old"), call),
                  as_text(call.require(1, "new"), call),
                  count.is_none() ? -1 : integer(count, {"replace", call.meter}).integer(), call.meter);
}

Value items(const Value& self, const Call& call) {
  if (self.is_undefined()) return Value(List{});
  if (!self.is_dict()) throw InputError("items: expected a dict, found {}", self.kind_name());
  return find_method(self, "items")->call({"items", call.meter});
}

/// Numbers by size, text by its letters in lower case (as Jinja sorts unless told otherwise).
void sort_by(List& values, const std::vector<Value>& keys, bool reverse, Meter& meter) {
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return reverse ? compare("<", keys[b], keys[a], meter) : compare("<", keys[a], keys[b], meter);
  });
  List sorted;
  for (size_t i : order) sorted.push_back(values[i]);
  values = std::move(sorted);
}

Value sort_key(Value key, bool case_sensitive, Meter& meter) {
  if (case_sensitive || !key.is_string()) return key;
  meter.spend(key.string().size());
  return lower(key.string());
}

Value sort(const Value& self, const Call& call) {
  List values = iterate(self, call.meter);
  const bool reverse = call.get(0, "reverse", Value(false)).truthy();
  const bool case_sensitive = call.get(1, "case_sensitive", Value(false)).truthy();
  const Value path = call.get(2, "attribute", Value::none());
  std::vector<Value> keys;
  for (const Value& value : values)
    keys.push_back(sort_key(path.is_none() ? value : attribute_path(value, path, call.meter), case_sensitive,
                            call.meter));
  sort_by(values, keys, reverse, call.meter);
  return Value(std::move(values));
}

Value dictsort(const Value& self, const Call& call) {
  List pairs = items(self, call).items();
  const bool case_sensitive = call.get(0, "case_sensitive", Value(false)).truthy();
  std::vector<Value> keys;
  for (const Value& pair : pairs) keys.push_back(sort_key(pair.items()[0], case_sensitive, call.meter));
  sort_by(pairs, keys, call.get(2, "reverse", Value(false)).truthy(), call.meter);
  return Value(std::move(pairs));
}

Value reverse(const Value& self, const Call& call) {
  const List forward = iterate(self, call.meter);
  List values(forward.rbegin(), forward.rend());
  if (!self.is_string()) return Value(std::move(values));
  return joined(values, "", call.meter);
}

/// What unique, min and max compare in place of each value.
std::vector<Value> compared_keys(const List& values, const Call& call) {
  const bool case_sensitive = call.get(0, "case_sensitive", Value(false)).truthy();
  const Value path = call.get(1, "attribute", Value::none());
  std::vector<Value> keys;
  for (const Value& value : values)
    keys.push_back(sort_key(path.is_none() ? value : attribute_path(value, path, call.meter), case_sensitive,
                            call.meter));
  return keys;
}

Value unique(const Value& self, const Call& call) {
  const List all = iterate(self, call.meter);
  const std::vector<Value> keys = compared_keys(all, call);
  List values;
  for (size_t i = 0; i < all.size(); ++i) {
    bool seen = false;
    for (size_t j = 0; j < i && !seen; ++j) seen = compare("==", keys[i], keys[j], call.meter);
    if (!seen) values.push_back(all[i]);
  }
  return Value(std::move(values));
}

template <bool smallest>
Value extreme(const Value& self, const Call& call) {
  const List values = iterate(self, call.meter);
  if (values.empty()) return Value::undefined("the extreme of nothing");
  const std::vector<Value> keys = compared_keys(values, call);
  size_t best = 0;
  for (size_t i = 1; i < values.size(); ++i)
    if (compare(smallest ? "<" : ">", keys[i], keys[best], call.meter)) best = i;
  return values[best];
}

Value sum(const Value& self, const Call& call) {
  Value total = call.get(1, "start", Value(int64_t{0}));
  const Value path = call.get(0, "attribute", Value::none());
  for (const Value& value : iterate(self, call.meter))
    total = binary("+", total, path.is_none() ? value : attribute_path(value, path, call.meter), call.meter);
  return total;
}

Value absolute(const Value& self, const Call& call) {
  return compare("<", self, Value(int64_t{0}), call.meter) ? negate(self) : self;
}

Value indent(const Value& self, const Call& call) {
  const Value width = call.get(0, "width", Value(int64_t{4}));
  const bool first_too = call.get(1, "first", Value(false)).truthy();
  if (!width.is_string() && (!width.is_integer() || width.integer() < 0 || width.integer() > 100))
    throw InputError("indent: width is 0 to 100");
  const std::string space =
      width.is_string() ? width.string() : std::string(static_cast<size_t>(width.integer()), ' ');
  const std::string text = as_text(self, call);
  const bool blank_too = call.get(2, "blank", Value(false)).truthy();
  std::string out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if ((at > 0 || first_too) && (end > at || blank_too)) {
      call.meter.spend(space.size());
      out += space;
    }
    out += text.substr(at, end - at);
    if (end < text.size()) out += '\n';
    at = end + 1;
  }
  return out;
}

/// A filter or test named by the argument at `position`, with the arguments behind it.
Value apply_named(Builtin (*find)(std::string_view), const Value& self, const Call& call, size_t position) {
  const Value name = call.require(position, "name");
  const Builtin builtin = name.is_string() ? find(name.string()) : nullptr;
  if (!builtin) throw InputError("{}: no filter or test \"{}\"", call.name, name.str().substr(0, 40));
  Call inner{name.string(), call.meter, {}, call.named};
  inner.positional.assign(call.positional.begin() + static_cast<std::ptrdiff_t>(position) + 1,
                          call.positional.end());
  call.meter.spend(Meter::kStep);
  return builtin(self, inner);
}

Value map(const Value& self, const Call& call) {
  List values = iterate(self, call.meter);
  const Value path = call.positional.empty() ? call.require(0, "attribute") : Value();
  const Value otherwise = call.get(SIZE_MAX, "default", Value());
  for (Value& value : values) {
    if (path.is_undefined()) {
      value = apply_named(find_filter, value, call, 0);
    } else {
      value = attribute_path(value, path, call.meter);
      if (value.is_undefined() && !otherwise.is_undefined()) value = otherwise;
    }
  }
  return Value(std::move(values));
}

template <bool keep, bool by_attribute>
Value select(const Value& self, const Call& call) {
  List chosen;
  const size_t test_at = by_attribute ? 1 : 0;
  for (const Value& value : iterate(self, call.meter)) {
    const Value subject =
        by_attribute ? attribute_path(value, call.require(0, "attribute"), call.meter) : value;
    const Value verdict =
        call.positional.size() > test_at ? apply_named(find_test, subject, call, test_at) : subject;
    if (verdict.truthy() == keep) chosen.push_back(value);
  }
  return Value(std::move(chosen));
}

constexpr Entry kFilters[] = {
    {"abs", absolute},
    {"capitalize", changed<capitalized>},
    {"count", length},
    {"d", fallback},
    {"default", fallback},
    {"dictsort", dictsort},
    {"first", first},
    {"float", number},
    {"indent", indent},
    {"int", integer},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", length},
    {"list", list},
    {"lower", changed<lower>},
    {"map", map},
    {"max", extreme<false>},
    {"min", extreme<true>},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"replace", replace},
    {"reverse", reverse},
    {"safe", same},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
    {"sort", sort},
    {"string", string},
    {"sum", sum},
    {"title", changed<with_capitals>},
    {"tojson", tojson},
    {"trim", trim},
    {"unique", unique},
    {"upper", changed<upper>},
};

template <Value::Kind... kinds>
Value is_kind(const Value& self, const Call&) {
  return Value(((self.kind() == kinds) || ...));
}

template <bool wanted>
Value is_boolean(const Value& self, const Call&) {
  return Value(self.kind() == Value::Kind::boolean && (self.integer() != 0) == wanted);
}

Value is_defined(const Value& self, const Call&) {
  return Value(!self.is_undefined());
}

Value is_iterable(const Value& self, const Call&) {
  return Value(self.is_undefined() || self.is_string() || self.is_sequence() || self.is_dict());
}
Value is_sequence(const Value& self, const Call&) {
  return Value(self.is_undefined() || self.is_string() || self.is_sequence() || self.is_dict());
}

template <int remainder>
Value is_remainder(const Value& self, const Call& call) {
  return Value(binary("%", self, Value(int64_t{2}), call.meter) == Value(int64_t{remainder}));
}

Value is_divisible(const Value& self, const Call& call) {
  return Value(binary("%", self, call.require(0, "num"), call.meter) == Value(int64_t{0}));
}

/// Of booleans and none, which there is one of each, the very same; of others an equal of the same kind.
Value is_same(const Value& self, const Call& call) {
  const Value other = call.require(0, "other");
  return Value(self.kind() == other.kind() && compare("==", self, other, call.meter));
}

enum class Relation { equal, unequal, less, at_most, greater, at_least, in };
template <Relation relation>
Value is_related(const Value& self, const Call& call) {
  constexpr std::string_view kOperators[] = {"==", "!=", "<", "<=", ">", ">=", "in"};
  return Value(
      compare(kOperators[static_cast<size_t>(relation)], self, call.get(0, "other", Value()), call.meter));
}

using Kind = Value::Kind;
constexpr Entry kTests[] = {
    {"boolean", is_kind<Kind::boolean>},
    {"callable", is_kind<Kind::callable>},
    {"defined", is_defined},
    {"divisibleby", is_divisible},
    {"eq", is_related<Relation::equal>},
    {"equalto", is_related<Relation::equal>},
    {"even", is_remainder<0>},
    {"false", is_boolean<false>},
    {"float", is_kind<Kind::number>},
    {"ge", is_related<Relation::at_least>},
    {"greaterthan", is_related<Relation::greater>},
    {"gt", is_related<Relation::greater>},
    {"in", is_related<Relation::in>},
    {"integer", is_kind<Kind::integer>},
    {"iterable", is_iterable},
    {"le", is_related<Relation::at_most>},
    {"lessthan", is_related<Relation::less>},
    {"lt", is_related<Relation::less>},
    {"mapping", is_kind<Kind::dict>},
    {"ne", is_related<Relation::unequal>},
    {"none", is_kind<Kind::none>},
    {"number", is_kind<Kind::integer, Kind::boolean, Kind::number>},
    {"odd", is_remainder<1>},
    {"sameas", is_same},
    {"sequence", is_sequence},
    {"string", is_kind<Kind::string>},
    {"true", is_boolean<true>},
    {"undefined", is_kind<Kind::undefined>},
};

template <size_t count>
Builtin find_in(const Entry (&entries)[count], std::string_view name) {
  const auto* found =
      std::find_if(std::begin(entries), std::end(entries), [&](const Entry& e) { return e.name == name; });
  return found == std::end(entries) ? nullptr : found->call;
}

}  // namespace

Builtin find_filter(std::string_view name) {
  return find_in(kFilters, name);
}

Builtin find_test(std::string_view name) {
  if (name == "==") name = "eq";
  if (name == "!=") name = "ne";
  return find_in(kTests, name);
}

}  // namespace halftone::jinja
