#include "llm/chat_template/evaluator.h"

#include <ctime>
#include <map>
#include <optional>

#include "llm/chat_template/builtins.h"
#include "llm/chat_template/operators.h"

namespace halftone::jinja {
namespace {

constexpr int kMaxDepth = 600;  ///< of evaluations inside each other, macros counted
constexpr int64_t kMaxRange = 100000;

/// An error that already names its line.
struct LocatedError : InputError {
  using InputError::InputError;
};

std::shared_ptr<const Callable> function(std::string name, std::function<Value(const Call&)> call) {
  return std::make_shared<const Callable>(Callable{std::move(name), std::move(call)});
}

Value range(const Call& call) {
  call.at_most(3);
  int64_t parts[3] = {0, 0, 1};
  for (size_t i = 0; i < call.positional.size(); ++i) {
    const Value& value = call.positional[i];
    if (!value.is_integer()) throw InputError("range: expected an integer, found {}", value.kind_name());
    parts[i] = value.integer();
  }
  if (call.positional.empty()) throw InputError("range: argument \"stop\" is missing");
  if (call.positional.size() == 1) std::swap(parts[0], parts[1]);
  const auto [start, stop, step] = parts;
  for (int64_t part : parts)
    if (part > INT32_MAX || part < INT32_MIN) throw InputError("range: {} is out of range", part);
  if (step == 0) throw InputError("range: the step cannot be 0");
  List items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step) {
    if (items.size() >= kMaxRange) throw InputError("range: more than {} items", kMaxRange);
    call.meter.spend(Meter::kStep);
    items.emplace_back(i);
  }
  return Value(std::move(items));
}

Value raise_exception(const Call& call) {
  throw InputError("the template refuses this conversation: {}",
                   call.get(0, "message", Value("")).str().substr(0, 400));
}

Value strftime_now(const Call& call) {
  const Value format = call.require(0, "format");
  if (!format.is_string() || format.string().size() > 200)
    throw InputError("strftime_now: expected a short format string");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[1024];
  // A leading mark tells an empty result from one that does not fit.
  const size_t length = std::strftime(text, sizeof text, ("|" + format.string()).c_str(), &local);
  return Value(length ? std::string(text + 1, length - 1) : std::string());
}

Value make_namespace(const Call& call) {
  Dict entries;
  for (const Value& value : call.positional) {
    if (!value.is_dict()) throw InputError("namespace: expected a dict, found {}", value.kind_name());
    entries.insert(entries.end(), value.entries().begin(), value.entries().end());
  }
  entries.insert(entries.end(), call.named.begin(), call.named.end());
  return Value::name_space(std::move(entries));
}

Value make_dict(const Call& call) {
  call.at_most(call.named.size());
  return Value(Dict(call.named));
}

class Evaluator {
 public:
  explicit Evaluator(Dict variables) {
    for (const auto& [name, call] : std::initializer_list<std::pair<const char*, Value (*)(const Call&)>>{
             {"range", range},
             {"raise_exception", raise_exception},
             {"strftime_now", strftime_now},
             {"namespace", make_namespace},
             {"dict", make_dict}})
      globals_[name] = Value(function(name, call));
    for (auto& [name, value] : variables) globals_[name] = std::move(value);
  }

  std::string run(const Body& body) {
    execute(body);
    return std::move(out_);
  }

 private:
  using Scope = std::map<std::string, Value, std::less<>>;
  enum class Flow { next, break_loop, continue_loop };

  struct Depth {
    explicit Depth(Evaluator& evaluator) : evaluator_(evaluator) {
      if (++evaluator_.depth_ > kMaxDepth) {
        --evaluator_.depth_;
        throw InputError("macros call each other too deep");
      }
    }
    ~Depth() { --evaluator_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Evaluator& evaluator_;
  };

  void print(std::string_view text) {
    meter_.spend(text.size());
    out_ += text;
  }

  Scope& scope() { return scopes_.empty() ? globals_ : scopes_.back(); }

  Value lookup(const std::string& name) const {
    for (auto inner = scopes_.rbegin(); inner != scopes_.rend(); ++inner)
      if (auto found = inner->find(name); found != inner->end()) return found->second;
    if (auto found = globals_.find(name); found != globals_.end()) return found->second;
    return Value::undefined("'" + name + "'");
  }

  Flow execute(const Body& body) {
    for (const auto& statement : body) {
      Flow flow;
      try {
        flow = execute(*statement);
      } catch (const LocatedError&) {
        throw;
      } catch (const InputError& error) {
        throw LocatedError("line {}: {}", statement->line, error.what());
      }
      if (flow != Flow::next) return flow;
    }
    return Flow::next;
  }

  Flow execute(const Statement& s) {
    using Kind = Statement::Kind;
    const Depth depth(*this);
    meter_.spend(Meter::kStep);
    switch (s.kind) {
      case Kind::text:
        print(s.text);
        return Flow::next;
      case Kind::print:
        print(text_of(evaluate(*s.expression), meter_));
        return Flow::next;
      case Kind::branch:
        for (const Branch& branch : s.branches)
          if (!branch.condition || evaluate(*branch.condition).truthy()) return execute(branch.body);
        return Flow::next;
      case Kind::loop:
        return loop(s);
      case Kind::set:
        assign(s.targets, evaluate(*s.expression));
        return Flow::next;
      case Kind::set_block:
        assign(s.targets, Value(captured(s.body)));
        return Flow::next;
      case Kind::macro:
        define(*s.macro);
        return Flow::next;
      case Kind::break_loop:
        return Flow::break_loop;
      case Kind::continue_loop:
        return Flow::continue_loop;
    }
    return Flow::next;
  }

  /// What a body prints, in a scope of its own.
  std::string captured(const Body& body) {
    std::string outer = std::exchange(out_, "");
    scopes_.emplace_back();
    execute(body);
    scopes_.pop_back();
    return std::exchange(out_, std::move(outer));
  }

  void assign(const std::vector<Target>& targets, const Value& value) {
    if (targets.size() == 1) return assign(targets[0], value);
    const List items = iterate(value, meter_);
    if (items.size() != targets.size())
      throw InputError("{} names cannot take {} values", targets.size(), items.size());
    for (size_t i = 0; i < items.size(); ++i) assign(targets[i], items[i]);
  }

  void assign(const Target& target, const Value& value) {
    if (target.attribute.empty()) {
      scope().insert_or_assign(target.name, value);
      return;
    }
    Value space = lookup(target.name);
    if (space.kind() != Value::Kind::name_space)
      throw InputError("{}.{} cannot be set: {} is {}", target.name, target.attribute, target.name,
                       space.kind_name());
    meter_.spend(space.entries().size());
    space.set_attribute(target.attribute, value);
  }

  Flow loop(const Statement& s) {
    List items;
    for (Value& item : iterate(evaluate(*s.expression), meter_)) {
      if (s.condition) {
        scopes_.emplace_back();
        assign(s.targets, item);
        const bool wanted = evaluate(*s.condition).truthy();
        scopes_.pop_back();
        if (!wanted) continue;
      }
      items.push_back(std::move(item));
    }
    // As Jinja has it, "else" is for loops of which no round came to its end: neither break nor continue.
    bool any_ended = false;
    const auto last_changed = std::make_shared<std::optional<List>>();
    for (size_t i = 0; i < items.size(); ++i) {
      scopes_.emplace_back();
      assign(s.targets, items[i]);
      scope().insert_or_assign("loop", loop_value(items, i, last_changed));
      const Flow flow = execute(s.body);
      scopes_.pop_back();
      any_ended |= flow == Flow::next;
      if (flow == Flow::break_loop) break;
    }
    return any_ended ? Flow::next : execute(s.otherwise);
  }

  static Value loop_value(const List& items, size_t i,
                          const std::shared_ptr<std::optional<List>>& last_changed) {
    auto integer = [](size_t value) { return Value(static_cast<int64_t>(value)); };
    const Value cycle(function("cycle", [i](const Call& call) {
      if (call.positional.empty()) throw InputError("cycle: nothing to choose from");
      return call.positional[i % call.positional.size()];
    }));
    const Value changed(function("changed", [last_changed](const Call& call) {
      for (const Value& value : call.positional) call.meter.spend(value.weight());
      if (*last_changed == call.positional) return Value(false);
      *last_changed = call.positional;
      return Value(true);
    }));
    return Value(
        Dict{{"index", integer(i + 1)},
             {"index0", integer(i)},
             {"revindex", integer(items.size() - i)},
             {"revindex0", integer(items.size() - i - 1)},
             {"first", Value(i == 0)},
             {"last", Value(i + 1 == items.size())},
             {"length", integer(items.size())},
             {"depth", integer(1)},  // loops that call themselves are not known here
             {"depth0", integer(0)},
             {"changed", changed},
             {"previtem", i ? items[i - 1] : Value::undefined("the item before the first")},
             {"nextitem", i + 1 < items.size() ? items[i + 1] : Value::undefined("the item after the last")},
             {"cycle", cycle}});
  }

  void define(const Macro& macro) {
    scope().insert_or_assign(
        macro.name,
        Value(function(macro.name, [this, &macro](const Call& call) { return expand(macro, call); })));
  }

  /// A macro sees its arguments and the template's outermost names.
  Value expand(const Macro& macro, const Call& call) {
    call.at_most(macro.parameters.size());
    Scope own;
    for (size_t i = 0; i < macro.parameters.size(); ++i) {
      const auto& [name, otherwise] = macro.parameters[i];
      Value value = call.get(i, name, Value::undefined("'" + name + "'"));
      if (value.is_undefined() && otherwise) value = evaluate(*otherwise);
      own.insert_or_assign(name, std::move(value));
    }
    std::vector<Scope> outer = std::exchange(scopes_, {});
    scopes_.push_back(std::move(own));
    std::string text = captured(macro.body);
    scopes_ = std::move(outer);
    return Value(std::move(text));
  }

  Value evaluate(const Expression& e) {
    using Kind = Expression::Kind;
    const Depth depth(*this);
    meter_.spend(Meter::kStep);
    auto child = [&](size_t i) { return evaluate(*e.children[i]); };
    auto optional = [&](size_t i) { return e.children[i] ? child(i) : Value::none(); };
    switch (e.kind) {
      case Kind::constant:
        return e.value;
      case Kind::name:
        return lookup(e.text);
      case Kind::list:
        return Value(all(e, 0));
      case Kind::tuple:
        return Value(all(e, 0), true);
      case Kind::dict:
        return dict(e);
      case Kind::attribute:
        return attribute(child(0), e.text, meter_);
      case Kind::index:
        return index(child(0), child(1), meter_);
      case Kind::slice:
        return slice(child(0), optional(1), optional(2), optional(3), meter_);
      case Kind::call:
        return call(e);
      case Kind::filter:
        return apply(find_filter(e.text), "filter", e);
      case Kind::test:
        return apply(find_test(e.text), "test", e);
      case Kind::logical_not:
        return Value(!child(0).truthy());
      case Kind::logical_and: {
        Value left = child(0);
        return left.truthy() ? child(1) : left;
      }
      case Kind::logical_or: {
        Value left = child(0);
        return left.truthy() ? left : child(1);
      }
      case Kind::negate:
        return negate(child(0));
      case Kind::binary:
        return binary(e.text, child(0), child(1), meter_);
      case Kind::compare:
        return comparison(e);
      case Kind::conditional:
        if (child(1).truthy()) return child(0);
        return e.children[2] ? child(2) : Value::undefined("the other case of an if");
    }
    return {};
  }

  List all(const Expression& e, size_t from) {
    List items;
    for (size_t i = from; i < e.children.size(); ++i) items.push_back(evaluate(*e.children[i]));
    return items;
  }

  Value dict(const Expression& e) {
    Dict entries;
    for (size_t i = 0; i < e.children.size(); i += 2) {
      const Value key = evaluate(*e.children[i]);
      Value value = evaluate(*e.children[i + 1]);
      if (!key.is_string()) throw InputError("a dict's keys are strings here, found {}", key.kind_name());
      meter_.spend(entries.size());
      auto same = std::find_if(entries.begin(), entries.end(),
                               [&](const auto& entry) { return entry.first == key.string(); });
      if (same != entries.end())
        same->second = std::move(value);
      else
        entries.emplace_back(key.string(), std::move(value));
    }
    return Value(std::move(entries));
  }

  Value comparison(const Expression& e) {
    Value left = evaluate(*e.children[0]);
    for (size_t i = 0; i < e.operators.size(); ++i) {
      Value right = evaluate(*e.children[i + 1]);
      if (!compare(e.operators[i], left, right, meter_)) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  }

  Call arguments(const Expression& e, std::string name) {
    Call call{std::move(name), meter_, all(e, 1), {}};
    for (const auto& [key, value] : e.named) call.named.emplace_back(key, evaluate(*value));
    return call;
  }

  Value call(const Expression& e) {
    const Value callee = evaluate(*e.children[0]);
    if (callee.is_undefined()) throw InputError("{} is undefined", callee.undefined_name());
    if (callee.kind() != Value::Kind::callable) throw InputError("{} cannot be called", callee.kind_name());
    return callee.callable().call(arguments(e, callee.callable().name));
  }

  Value apply(Builtin builtin, std::string_view what, const Expression& e) {
    if (!builtin) throw InputError("there is no {} \"{}\"", what, e.text.substr(0, 40));
    const Value self = evaluate(*e.children[0]);
    return builtin(self, arguments(e, e.text));
  }

  Meter meter_;
  Scope globals_;
  std::vector<Scope> scopes_;
  std::string out_;
  int depth_ = 0;
};

}  // namespace

std::string evaluate(const Body& body, Dict variables) {
  return Evaluator(std::move(variables)).run(body);
}

}  // namespace halftone::jinja
