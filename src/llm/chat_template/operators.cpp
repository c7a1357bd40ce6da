#include "llm/chat_template/operators.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "llm/chat_template/builtins.h"

namespace halftone::jinja {
namespace {

void require_defined(const Value& value) {
  if (value.is_undefined()) throw InputError("{} is undefined", value.undefined_name());
}

[[noreturn]] void unfit(std::string_view op, const Value& a, const Value& b) {
  require_defined(a);
  require_defined(b);
  throw InputError("{} cannot be used between {} and {}", op, a.kind_name(), b.kind_name());
}

Value exact(std::string_view op, std::optional<int64_t> result) {
  if (!result) throw InputError("the result of {} is beyond 64 bits", op);
  return Value(*result);
}

int64_t floor_div(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Value integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  std::optional<int64_t> result = 1;
  if (base == 0 || base == 1) return Value(exponent == 0 ? int64_t{1} : base);
  if (base == -1) return Value(int64_t{exponent % 2 ? -1 : 1});
  for (int64_t i = 0; i < exponent && result; ++i) result = checked_mul(*result, base);
  return exact("**", result);
}

Value on_integers(std::string_view op, int64_t a, int64_t b) {
  if (op == "+") return exact(op, checked_add(a, b));
  if (op == "*") return exact(op, checked_mul(a, b));
  if (op == "**") return integer_power(a, b);
  if (op == "-") {
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference)) return exact(op, std::nullopt);
    return Value(difference);
  }
  if (b == 0) throw InputError("division by zero");
  if (op == "/") return Value(static_cast<double>(a) / static_cast<double>(b));
  if (a == INT64_MIN && b == -1) return exact(op, op == "%" ? std::optional<int64_t>(0) : std::nullopt);
  if (op == "//") return Value(floor_div(a, b));
  return Value(a - floor_div(a, b) * b);
}

Value on_numbers(std::string_view op, double a, double b) {
  if (op == "+") return Value(a + b);
  if (op == "-") return Value(a - b);
  if (op == "*") return Value(a * b);
  if (op == "**") return Value(std::pow(a, b));
  if (b == 0) throw InputError("division by zero");
  if (op == "/") return Value(a / b);
  if (op == "//") return Value(std::floor(a / b));
  return Value(a - std::floor(a / b) * b);
}

Value repeat(const Value& value, int64_t times, Meter& meter) {
  const auto count = static_cast<size_t>(std::max<int64_t>(times, 0));
  const auto units =
      checked_mul(count, value.is_string() ? value.string().size() : value.items().size() * Meter::kStep);
  meter.spend(units.value_or(SIZE_MAX));
  if (value.is_string()) {
    std::string text;
    if (!value.string().empty())
      for (size_t i = 0; i < count; ++i) text += value.string();
    return Value(std::move(text));
  }
  List items;
  if (!value.items().empty())
    for (size_t i = 0; i < count; ++i) items.insert(items.end(), value.items().begin(), value.items().end());
  return Value(std::move(items), value.kind() == Value::Kind::tuple);
}

bool contains(const Value& container, const Value& item, Meter& meter) {
  if (container.is_undefined()) return false;
  if (container.is_string()) {
    if (!item.is_string()) unfit("in", item, container);
    meter.spend(container.string().size());
    return container.string().find(item.string()) != std::string::npos;
  }
  if (container.is_dict()) {
    meter.spend(container.entries().size());
    return item.is_string() && container.find(item.string());
  }
  if (!container.is_sequence()) unfit("in", item, container);
  meter.spend(container.weight());
  const List& items = container.items();
  return std::find(items.begin(), items.end(), item) != items.end();
}

/// -1, 0 or 1.
int order(const Value& a, const Value& b, std::string_view op) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() < b.integer() ? -1 : a.integer() > b.integer();
    return a.number() < b.number() ? -1 : a.number() > b.number();
  }
  if (a.is_string() && b.is_string()) {
    const int difference = a.string().compare(b.string());
    return difference < 0 ? -1 : difference > 0;
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    for (size_t i = 0; i < std::min(a.items().size(), b.items().size()); ++i)
      if (!(a.items()[i] == b.items()[i])) return order(a.items()[i], b.items()[i], op);
    return a.items().size() < b.items().size() ? -1 : a.items().size() > b.items().size();
  }
  unfit(op, a, b);
}

}  // namespace

std::string text_of(const Value& value, Meter& meter) {
  meter.spend(value.weight());
  return value.str();
}

Value binary(std::string_view op, const Value& a, const Value& b, Meter& meter) {
  if (op == "~") return Value(text_of(a, meter) + text_of(b, meter));
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return on_integers(op, a.integer(), b.integer());
    return on_numbers(op, a.number(), b.number());
  }
  if (op == "+" && a.is_string() && b.is_string()) {
    meter.spend(a.string().size() + b.string().size());
    return Value(a.string() + b.string());
  }
  if (op == "+" && a.is_sequence() && a.kind() == b.kind()) {
    meter.spend((a.items().size() + b.items().size()) * Meter::kStep);
    List items = a.items();
    items.insert(items.end(), b.items().begin(), b.items().end());
    return Value(std::move(items), a.kind() == Value::Kind::tuple);
  }
  if (op == "*" && (a.is_string() || a.is_sequence()) && b.is_integer()) return repeat(a, b.integer(), meter);
  if (op == "*" && (b.is_string() || b.is_sequence()) && a.is_integer()) return repeat(b, a.integer(), meter);
  unfit(op, a, b);
}

Value negate(const Value& a) {
  require_defined(a);
  if (!a.is_number()) throw InputError("- cannot be used on {}", a.kind_name());
  if (a.is_integer()) return on_integers("-", 0, a.integer());
  return Value(-a.number());
}

bool compare(std::string_view op, const Value& a, const Value& b, Meter& meter) {
  if (op == "in") return contains(b, a, meter);
  if (op == "not in") return !contains(b, a, meter);
  meter.spend(std::min(a.weight(), b.weight()));
  if (op == "==") return a == b;
  if (op == "!=") return !(a == b);
  const int sign = order(a, b, op);
  if (op == "<") return sign < 0;
  if (op == "<=") return sign <= 0;
  if (op == ">") return sign > 0;
  return sign >= 0;
}

Value index(const Value& value, const Value& key, Meter& meter) {
  require_defined(value);
  if ((value.is_sequence() || value.is_string()) && key.is_integer()) {
    List items;
    if (value.is_string()) items = iterate(value, meter);
    const List& all = value.is_string() ? items : value.items();
    const auto size = static_cast<int64_t>(all.size());
    const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
    if (at < 0 || at >= size) return Value::undefined(fmt::format("element {}", key.integer()));
    return all[static_cast<size_t>(at)];
  }
  if (!key.is_string()) return Value::undefined("an element");
  if (value.is_dict() || value.kind() == Value::Kind::name_space) {
    meter.spend(value.entries().size());
    if (const Value* found = value.find(key.string())) return *found;
  }
  return attribute(value, key.string(), meter);
}

Value slice(const Value& value, const Value& start, const Value& stop, const Value& step, Meter& meter) {
  require_defined(value);
  if (!value.is_string() && !value.is_sequence()) throw InputError("{} cannot be sliced", value.kind_name());
  for (const Value* part : {&start, &stop, &step})
    if (!part->is_none() && !part->is_integer())
      throw InputError("a slice takes integers, found {}", part->kind_name());
  const List items = iterate(value, meter);
  const auto size = static_cast<int64_t>(items.size());
  const int64_t stride = step.is_none() ? 1 : step.integer();
  if (stride == 0) throw InputError("a slice's step cannot be 0");
  // Python's rule: bounds count from the back when negative, and are cut to what there is.
  auto bound = [&](const Value& given, int64_t otherwise) {
    if (given.is_none()) return otherwise;
    const int64_t at =
        given.integer() < 0 ? std::max<int64_t>(given.integer(), -size) + size : given.integer();
    const int64_t before = given.integer() < -size && stride < 0 ? -1 : at;
    return std::min(before, stride > 0 ? size : size - 1);
  };
  const int64_t from = bound(start, stride > 0 ? 0 : size - 1);
  const int64_t to = bound(stop, stride > 0 ? size : -1);
  List chosen;
  const int64_t jump = std::clamp<int64_t>(stride, -(size + 1), size + 1);
  for (int64_t i = from; jump > 0 ? i < to : i > to; i += jump)
    chosen.push_back(items[static_cast<size_t>(i)]);
  if (!value.is_string()) return Value(std::move(chosen), value.kind() == Value::Kind::tuple);
  std::string text;
  for (const Value& character : chosen) text += character.string();
  return Value(std::move(text));
}

Value attribute(const Value& value, const std::string& name, Meter& meter) {
  require_defined(value);
  if (auto method = find_method(value, name)) return Value(std::move(method));
  if (value.is_dict() || value.kind() == Value::Kind::name_space) {
    meter.spend(value.entries().size());
    if (const Value* found = value.find(name)) return *found;
  }
  return Value::undefined("'" + name + "'");
}

List iterate(const Value& value, Meter& meter) {
  List items;
  switch (value.kind()) {
    case Value::Kind::undefined:
      break;
    case Value::Kind::list:
    case Value::Kind::tuple:
      meter.spend(value.items().size() * Meter::kStep);
      return value.items();
    case Value::Kind::dict:
      meter.spend(value.weight() + value.entries().size() * Meter::kStep);
      for (const auto& [key, entry] : value.entries()) items.emplace_back(key);
      break;
    case Value::Kind::string:
      meter.spend(value.string().size() * Meter::kStep);
      for (std::string& character : characters(value.string())) items.emplace_back(std::move(character));
      break;
    default:
      throw InputError("{} cannot be gone through", value.kind_name());
  }
  return items;
}

}  // namespace halftone::jinja
