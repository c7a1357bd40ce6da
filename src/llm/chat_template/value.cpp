#include "llm/chat_template/value.h"

#include <cmath>
#include <utf8proc.h>

namespace halftone::jinja {
namespace {

constexpr int kMaxDepth = 150;
constexpr size_t kMaxWeight = size_t{64} << 20;

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  // Python writes exponents below 1e-4 and from 1e16 on, and always a fraction or an exponent.
  const double size = std::abs(value);
  if (size != 0 && (size < 1e-4 || size >= 1e16)) {
    std::string digits;
    for (int precision = 0; precision < 18; ++precision) {
      digits = fmt::format("{:.{}e}", value, precision);
      if (std::stod(digits) == value) break;
    }
    return digits;
  }
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

/// Python's str.isprintable().
bool is_printable(utf8proc_int32_t code) {
  const utf8proc_category_t category = utf8proc_category(code);
  return code == ' ' || (category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS);
}

/// As Python's repr() writes it.
std::string quoted_text(std::string_view text) {
  const char quote =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const std::string& character : characters(text)) {
    utf8proc_int32_t code = -1;
    utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.data()),
                     static_cast<utf8proc_ssize_t>(character.size()), &code);
    if (code == '\n') {
      out += "\\n";
    } else if (code == '\r') {
      out += "\\r";
    } else if (code == '\t') {
      out += "\\t";
    } else if (code == '\\' || code == quote) {
      out += '\\' + character;
    } else if (code < 0 || is_printable(code)) {
      out += character;
    } else {
      out += code < 0x100     ? fmt::format("\\x{:02x}", code)
             : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
    }
  }
  return out + quote;
}

void write_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        else
          out += c;
    }
  }
  out += '"';
}

}  // namespace

Value Value::none() {
  Value value;
  value.kind_ = Kind::none;
  return value;
}

Value Value::undefined(std::string name) {
  Value value;
  value.data_ = std::make_shared<const std::string>(std::move(name));
  return value;
}

Value::Value(bool value) : kind_(Kind::boolean), data_(int64_t{value}) {}
Value::Value(int64_t value) : kind_(Kind::integer), data_(value) {}
Value::Value(double value) : kind_(Kind::number), data_(value) {}
Value::Value(std::string value)
    : kind_(Kind::string),
      weight_(8 + value.size()),
      data_(std::make_shared<const std::string>(std::move(value))) {}

Value::Value(List items, bool is_tuple) : kind_(is_tuple ? Kind::tuple : Kind::list) {
  for (const Value& item : items) nest(item);
  data_ = std::make_shared<const List>(std::move(items));
}

Value::Value(Dict entries) : kind_(Kind::dict) {
  for (const auto& [key, value] : entries) {
    nest(value);
    weight_ += key.size();
  }
  data_ = std::make_shared<Dict>(std::move(entries));
}

Value Value::name_space(Dict entries) {
  Value value(std::move(entries));
  value.kind_ = Kind::name_space;
  return value;
}

Value::Value(std::shared_ptr<const Callable> callable) : kind_(Kind::callable), data_(std::move(callable)) {}

/// Values are trees: a namespace, which can change, may not be inside anything (it could contain itself).
void Value::nest(const Value& inner) {
  if (inner.kind_ == Kind::name_space) throw InputError("a namespace cannot be put into another value");
  depth_ = std::max(depth_, inner.depth_ + 1);
  if (depth_ > kMaxDepth) throw InputError("values are nested deeper than {}", kMaxDepth);
  weight_ += inner.weight_;
  if (weight_ > kMaxWeight) throw InputError("a value is larger than {} bytes", kMaxWeight);
}

Value Value::from_json(const OrderedJson& json) {
  switch (json.type()) {
    case OrderedJson::value_t::boolean:
      return Value(json.get<bool>());
    case OrderedJson::value_t::number_integer:
      return Value(json.get<int64_t>());
    case OrderedJson::value_t::number_unsigned: {
      const auto value = json.get<uint64_t>();
      if (value > static_cast<uint64_t>(INT64_MAX)) return Value(static_cast<double>(value));
      return Value(static_cast<int64_t>(value));
    }
    case OrderedJson::value_t::number_float:
      return Value(json.get<double>());
    case OrderedJson::value_t::string:
      return Value(json.get<std::string>());
    case OrderedJson::value_t::array: {
      List items;
      for (const auto& item : json) items.push_back(from_json(item));
      return Value(std::move(items));
    }
    case OrderedJson::value_t::object: {
      Dict entries;
      for (const auto& [key, value] : json.items()) entries.emplace_back(key, from_json(value));
      return Value(std::move(entries));
    }
    default:
      return none();
  }
}

std::string Value::undefined_name() const {
  const auto* name = std::get_if<std::shared_ptr<const std::string>>(&data_);
  return name ? **name : "a value";
}

double Value::number() const {
  return kind_ == Kind::number ? std::get<double>(data_) : static_cast<double>(integer());
}

const Value* Value::find(std::string_view key) const {
  for (const auto& [name, value] : entries())
    if (name == key) return &value;
  return nullptr;
}

void Value::set_attribute(const std::string& key, Value value) {
  nest(value);
  Dict& dict = *std::get<std::shared_ptr<Dict>>(data_);
  for (auto& [name, old] : dict)
    if (name == key) {
      old = std::move(value);
      return;
    }
  dict.emplace_back(key, std::move(value));
}

bool Value::truthy() const {
  switch (kind_) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return integer() != 0;
    case Kind::number:
      return number() != 0;
    case Kind::string:
      return !string().empty();
    case Kind::list:
    case Kind::tuple:
      return !items().empty();
    case Kind::dict:
      return !entries().empty();
    default:
      return true;
  }
}

std::string_view Value::kind_name() const {
  switch (kind_) {
    case Kind::undefined:
      return "an undefined value";
    case Kind::none:
      return "none";
    case Kind::boolean:
      return "a boolean";
    case Kind::integer:
      return "an integer";
    case Kind::number:
      return "a number";
    case Kind::string:
      return "a string";
    case Kind::list:
      return "a list";
    case Kind::tuple:
      return "a tuple";
    case Kind::dict:
      return "a dict";
    case Kind::name_space:
      return "a namespace";
    default:
      return "a function";
  }
}

std::string Value::str() const {
  if (kind_ == Kind::undefined) return "";
  if (kind_ == Kind::string) return string();
  return repr();
}

std::string Value::repr() const {
  switch (kind_) {
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "None";
    case Kind::boolean:
      return integer() ? "True" : "False";
    case Kind::integer:
      return fmt::format("{}", integer());
    case Kind::number:
      return float_text(number());
    case Kind::string:
      return quoted_text(string());
    case Kind::list:
    case Kind::tuple: {
      const bool tuple = kind_ == Kind::tuple;
      std::string out(1, tuple ? '(' : '[');
      for (size_t i = 0; i < items().size(); ++i) out += (i ? ", " : "") + items()[i].repr();
      if (tuple && items().size() == 1) out += ',';
      return out + (tuple ? ')' : ']');
    }
    case Kind::dict: {
      std::string out = "{";
      for (const auto& [key, value] : entries())
        out += (out.size() > 1 ? ", " : "") + quoted_text(key) + ": " + value.repr();
      return out + "}";
    }
    case Kind::name_space:
      return "<Namespace>";
    default:
      return "<function " + callable().name + ">";
  }
}

std::string Value::json(int indent) const {
  std::string out;
  write_json(out, indent, 0);
  return out;
}

void Value::write_json(std::string& out, int indent, int level) const {
  auto line = [&](int at) {
    if (indent >= 0) out += "\n" + std::string(static_cast<size_t>(indent) * static_cast<size_t>(at), ' ');
  };
  const char* comma = indent >= 0 ? "," : ", ";
  switch (kind_) {
    case Kind::none:
      out += "null";
      return;
    case Kind::boolean:
      out += integer() ? "true" : "false";
      return;
    case Kind::integer:
      out += fmt::format("{}", integer());
      return;
    case Kind::number:
      out += std::isnan(number())   ? "NaN"
             : std::isinf(number()) ? (number() < 0 ? "-Infinity" : "Infinity")
                                    : float_text(number());
      return;
    case Kind::string:
      write_json_string(out, string());
      return;
    case Kind::list:
    case Kind::tuple:
      if (items().empty()) {
        out += "[]";
        return;
      }
      out += '[';
      for (size_t i = 0; i < items().size(); ++i) {
        if (i) out += comma;
        line(level + 1);
        items()[i].write_json(out, indent, level + 1);
      }
      line(level);
      out += ']';
      return;
    case Kind::dict: {
      if (entries().empty()) {
        out += "{}";
        return;
      }
      out += '{';
      bool first = true;
      for (const auto& [key, value] : entries()) {
        if (!first) out += comma;
        first = false;
        line(level + 1);
        write_json_string(out, key);
        out += ": ";
        value.write_json(out, indent, level + 1);
      }
      line(level);
      out += '}';
      return;
    }
    default:
      throw InputError("{} cannot be written as JSON", kind_name());
  }
}

bool operator==(const Value& a, const Value& b) {
  using Kind = Value::Kind;
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
    return a.number() == b.number();
  }
  if (a.kind_ != b.kind_) return false;
  switch (a.kind_) {
    case Kind::undefined:
    case Kind::none:
      return true;
    case Kind::string:
      return a.string() == b.string();
    case Kind::list:
    case Kind::tuple:
      return a.items() == b.items();
    case Kind::dict:
      if (a.entries().size() != b.entries().size()) return false;
      for (const auto& [key, value] : a.entries()) {
        const Value* other = b.find(key);
        if (!other || !(value == *other)) return false;
      }
      return true;
    default:
      return a.data_ == b.data_;
  }
}

Value Call::get(size_t position, std::string_view argument, Value fallback) const {
  if (position < positional.size()) return positional[position];
  for (const auto& [key, value] : named)
    if (key == argument) return value;
  return fallback;
}

Value Call::require(size_t position, std::string_view argument) const {
  Value value = get(position, argument, Value::undefined(std::string(argument)));
  if (value.is_undefined()) throw InputError("{}: argument \"{}\" is missing", name, argument);
  return value;
}

void Call::at_most(size_t most) const {
  if (positional.size() + named.size() > most)
    throw InputError("{}: takes at most {} arguments, found {}", name, most,
                     positional.size() + named.size());
}

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> out;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    out.emplace_back(text.substr(i, end - i));
    i = end;
  }
  return out;
}

}  // namespace halftone::jinja
