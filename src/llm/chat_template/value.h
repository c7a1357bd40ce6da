#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "llm/chat_template/meter.h"

namespace halftone::jinja {

class Value;
struct Call;

using List = std::vector<Value>;
/// Keys are strings, in the order of insertion.
using Dict = std::vector<std::pair<std::string, Value>>;

/// Something that a template may call: a function or method of ours, or a macro of its own.
struct Callable {
  std::string name;
  std::function<Value(const Call&)> call;
};

/// A value of the template language. Lists and dicts never change once made, so copies share them; only
/// namespaces do.
class Value {
 public:
  enum class Kind {
    undefined,
    none,
    boolean,
    integer,
    number,
    string,
    list,
    tuple,
    dict,
    name_space,
    callable
  };

  Value() = default;  ///< undefined
  static Value none();
  static Value undefined(std::string name);  ///< `name` appears in errors
  Value(bool value);
  Value(int64_t value);
  Value(double value);
  Value(std::string value);
  Value(const char* value) : Value(std::string(value)) {}
  /// Throw InputError when values are nested too deep or too large.
  explicit Value(List items, bool is_tuple = false);
  explicit Value(Dict entries);
  static Value name_space(Dict entries);
  explicit Value(std::shared_ptr<const Callable> callable);
  static Value from_json(const OrderedJson& json);

  Kind kind() const { return kind_; }
  bool is_undefined() const { return kind_ == Kind::undefined; }
  bool is_none() const { return kind_ == Kind::none; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_integer() const { return kind_ == Kind::integer || kind_ == Kind::boolean; }
  bool is_number() const { return is_integer() || kind_ == Kind::number; }
  bool is_sequence() const { return kind_ == Kind::list || kind_ == Kind::tuple; }
  bool is_dict() const { return kind_ == Kind::dict; }

  std::string undefined_name() const;  ///< "'x'", or "a value"
  const std::string& string() const { return *std::get<std::shared_ptr<const std::string>>(data_); }
  int64_t integer() const { return std::get<int64_t>(data_); }  ///< of integers and booleans
  double number() const;                                        ///< of any number
  const List& items() const { return *std::get<std::shared_ptr<const List>>(data_); }
  const Dict& entries() const { return *std::get<std::shared_ptr<Dict>>(data_); }
  const Callable& callable() const { return *std::get<std::shared_ptr<const Callable>>(data_); }

  /// The entry of a dict or namespace, or null.
  const Value* find(std::string_view key) const;
  /// Of namespaces only.
  void set_attribute(const std::string& key, Value value);

  bool truthy() const;
  /// As Python's str() and repr() write it.
  std::string str() const;
  std::string repr() const;
  std::string_view kind_name() const;
  /// About the length of repr(), all that is inside counted: bounded, though values are shared.
  size_t weight() const { return weight_; }
  /// As json.dumps(ensure_ascii=False) writes it; `indent` below 0 means one line.
  std::string json(int indent = -1) const;

  friend bool operator==(const Value& a, const Value& b);

 private:
  void write_json(std::string& out, int indent, int level) const;
  void nest(const Value& inner);

  Kind kind_ = Kind::undefined;
  int depth_ = 0;  ///< of nested lists and dicts
  size_t weight_ = 8;
  std::variant<std::monostate, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<Dict>, std::shared_ptr<const Callable>>
      data_;
};

/// The arguments of a call, a filter or a test, taken one by one.
struct Call {
  std::string name;  ///< for errors
  Meter& meter;
  std::vector<Value> positional{};
  std::vector<std::pair<std::string, Value>> named{};

  /// The argument at `position` or named `name`; `fallback` when it was not given.
  Value get(size_t position, std::string_view argument, Value fallback) const;
  /// The same, but InputError when it was not given.
  Value require(size_t position, std::string_view argument) const;
  /// InputError when there are more than `most` positional arguments.
  void at_most(size_t most) const;
};

/// UTF-8 text as characters, for indexing and slicing.
std::vector<std::string> characters(std::string_view text);

}  // namespace halftone::jinja
