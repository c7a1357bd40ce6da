#include "llm/chat_template/parser.h"

#include <algorithm>

#include "base/error.h"

namespace halftone::jinja {
namespace {

constexpr int kMaxNesting = 80;     ///< of brackets and blocks
constexpr int kMaxTreeDepth = 250;  ///< of an expression, chains of operators counted

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Body run() {
    std::string ended_by;
    Body body = statements({}, ended_by);
    return body;
  }

 private:
  using Kind = Token::Kind;
  using E = Expression::Kind;

  struct Nesting {
    explicit Nesting(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > kMaxNesting) parser_.fail("nested deeper than {}", kMaxNesting);
    }
    ~Nesting() { --parser_.nesting_; }
    Parser& parser_;
  };

  const Token& now() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw InputError("line {}: {}", now().line, fmt::format(format, std::forward<Args>(args)...));
  }

  std::string found() const {
    switch (now().kind) {
      case Kind::end:
        return "the end of the template";
      case Kind::block_end:
      case Kind::print_end:
        return "the end of the tag";
      case Kind::string:
        return "a string";
      default:
        return "\"" + now().text.substr(0, 40) + "\"";
    }
  }

  bool is_symbol(std::string_view text) const { return now().kind == Kind::symbol && now().text == text; }
  bool is_name(std::string_view text) const { return now().kind == Kind::name && now().text == text; }
  bool accept_symbol(std::string_view text) { return is_symbol(text) && (take(), true); }
  bool accept_name(std::string_view text) { return is_name(text) && (take(), true); }
  void expect_symbol(std::string_view text) {
    if (!accept_symbol(text)) fail("expected \"{}\", found {}", text, found());
  }
  std::string expect_name() {
    if (now().kind != Kind::name) fail("expected a name, found {}", found());
    return take().text;
  }
  void expect(Kind kind) {
    if (now().kind != kind) fail("expected the end of the tag, found {}", found());
    take();
  }

  ExpressionPtr make(E kind, std::vector<ExpressionPtr> children = {}, std::string text = {}) {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->line = now().line;
    node->text = std::move(text);
    node->children = std::move(children);
    for (const auto& child : node->children) deepen(*node, child.get());
    return node;
  }
  void deepen(Expression& node, const Expression* child) {
    if (child) node.depth = std::max(node.depth, child->depth + 1);
    if (node.depth > kMaxTreeDepth) fail("an expression is deeper than {}", kMaxTreeDepth);
  }
  template <class... Children>
  ExpressionPtr join(E kind, std::string text, Children... children) {
    std::vector<ExpressionPtr> list;
    (list.push_back(std::move(children)), ...);
    return make(kind, std::move(list), std::move(text));
  }

  std::unique_ptr<Statement> statement(Statement::Kind kind) {
    auto node = std::make_unique<Statement>();
    node->kind = kind;
    node->line = now().line;
    return node;
  }

  /// Statements up to one of the tags `ends` (left open behind its name, which goes to `ended_by`), or the
  /// end.
  Body statements(const std::vector<std::string_view>& ends, std::string& ended_by) {
    const Nesting nesting(*this);
    Body body;
    while (now().kind != Kind::end) {
      if (now().kind == Kind::text) {
        body.push_back(statement(Statement::Kind::text));
        body.back()->text = take().text;
      } else if (now().kind == Kind::print_begin) {
        take();
        body.push_back(statement(Statement::Kind::print));
        body.back()->expression = tuple_or_expression();
        expect(Kind::print_end);
      } else {
        take();
        const std::string name = expect_name();
        if (std::find(ends.begin(), ends.end(), name) != ends.end()) {
          ended_by = name;
          return body;
        }
        tag(name, body);
      }
    }
    if (!ends.empty()) fail("expected {{% {} %}}, found the end of the template", ends.back());
    return body;
  }

  Body block(std::string_view end) {
    expect(Kind::block_end);
    std::string ended_by;
    Body body = statements({end}, ended_by);
    expect(Kind::block_end);
    return body;
  }

  void tag(const std::string& name, Body& body) {
    if (name == "if") {
      body.push_back(if_tag());
    } else if (name == "for") {
      body.push_back(for_tag());
    } else if (name == "set") {
      body.push_back(set_tag());
    } else if (name == "macro") {
      body.push_back(macro_tag());
    } else if (name == "break" || name == "continue") {
      if (loops_ == 0) fail("{} outside of a loop", name);
      body.push_back(
          statement(name == "break" ? Statement::Kind::break_loop : Statement::Kind::continue_loop));
      expect(Kind::block_end);
    } else if (name == "generation") {
      for (auto& inner : block("endgeneration")) body.push_back(std::move(inner));
    } else {
      fail(
          "the tag {{% {} %}} is not known here; chat templates may use if, for, set, macro, break, "
          "continue, raw, "
          "generation",
          name.substr(0, 40));
    }
  }

  std::unique_ptr<Statement> if_tag() {
    auto node = statement(Statement::Kind::branch);
    std::string ended_by = "if";
    while (ended_by != "endif") {
      Branch branch;
      if (ended_by != "else") branch.condition = tuple_or_expression();
      expect(Kind::block_end);
      const bool last = ended_by == "else";
      branch.body = last ? statements({"endif"}, ended_by) : statements({"elif", "else", "endif"}, ended_by);
      node->branches.push_back(std::move(branch));
    }
    expect(Kind::block_end);
    return node;
  }

  std::unique_ptr<Statement> for_tag() {
    auto node = statement(Statement::Kind::loop);
    node->targets = targets();
    if (!accept_name("in")) fail("expected \"in\", found {}", found());
    // "if" here filters the loop, so the expression itself may not be a conditional one.
    node->expression = logical_or();
    if (accept_name("if")) node->condition = expression();
    expect(Kind::block_end);
    ++loops_;
    std::string ended_by;
    node->body = statements({"else", "endfor"}, ended_by);
    --loops_;
    if (ended_by == "else") {
      expect(Kind::block_end);
      node->otherwise = statements({"endfor"}, ended_by);
    }
    expect(Kind::block_end);
    return node;
  }

  std::vector<Target> targets() {
    std::vector<Target> list;
    const bool bracket = accept_symbol("(");
    do {
      list.push_back({expect_name()});
      if (accept_symbol(".")) list.back().attribute = expect_name();
    } while (accept_symbol(","));
    if (bracket) expect_symbol(")");
    return list;
  }

  std::unique_ptr<Statement> set_tag() {
    auto node = statement(Statement::Kind::set);
    node->targets = targets();
    if (accept_symbol("=")) {
      node->expression = tuple_or_expression();
      expect(Kind::block_end);
    } else {
      node->kind = Statement::Kind::set_block;
      if (node->targets.size() != 1) fail("a set block has one name");
      node->body = block("endset");
    }
    return node;
  }

  std::unique_ptr<Statement> macro_tag() {
    auto node = statement(Statement::Kind::macro);
    node->macro = std::make_unique<Macro>();
    node->macro->name = expect_name();
    expect_symbol("(");
    while (!accept_symbol(")")) {
      std::string name = expect_name();
      node->macro->parameters.emplace_back(std::move(name), accept_symbol("=") ? expression() : nullptr);
      if (!is_symbol(")")) expect_symbol(",");
    }
    const int loops = std::exchange(loops_, 0);
    node->macro->body = block("endmacro");
    loops_ = loops;
    return node;
  }

  ExpressionPtr tuple_or_expression() {
    ExpressionPtr first = expression();
    if (!is_symbol(",")) return first;
    auto tuple = join(E::tuple, "", std::move(first));
    while (accept_symbol(",")) {
      if (now().kind == Kind::block_end || now().kind == Kind::print_end) break;
      tuple->children.push_back(expression());
      deepen(*tuple, tuple->children.back().get());
    }
    return tuple;
  }

  ExpressionPtr expression() {
    const Nesting nesting(*this);
    ExpressionPtr value = logical_or();
    while (accept_name("if")) {
      ExpressionPtr condition = logical_or();
      ExpressionPtr otherwise = accept_name("else") ? expression() : nullptr;
      value = join(E::conditional, "", std::move(value), std::move(condition), std::move(otherwise));
    }
    return value;
  }

  ExpressionPtr logical_or() {
    ExpressionPtr left = logical_and();
    while (accept_name("or")) left = join(E::logical_or, "", std::move(left), logical_and());
    return left;
  }

  ExpressionPtr logical_and() {
    ExpressionPtr left = logical_not();
    while (accept_name("and")) left = join(E::logical_and, "", std::move(left), logical_not());
    return left;
  }

  ExpressionPtr logical_not() {
    if (!is_name("not") || (ahead().kind == Kind::name && ahead().text == "in")) return comparison();
    const Nesting nesting(*this);
    take();
    return join(E::logical_not, "", logical_not());
  }

  ExpressionPtr comparison() {
    ExpressionPtr first = sum();
    ExpressionPtr chain;
    while (true) {
      std::string op;
      for (std::string_view symbol : {"==", "!=", "<=", ">=", "<", ">"})
        if (op.empty() && accept_symbol(symbol)) op = symbol;
      if (op.empty() && accept_name("in")) op = "in";
      if (op.empty() && is_name("not") && ahead().kind == Kind::name && ahead().text == "in") {
        take();
        take();
        op = "not in";
      }
      if (op.empty()) return chain ? std::move(chain) : std::move(first);
      if (!chain) chain = join(E::compare, "", std::move(first));
      chain->children.push_back(sum());
      deepen(*chain, chain->children.back().get());
      chain->operators.push_back(std::move(op));
    }
  }

  /// Left-associative operators of one level, the next level by `next`.
  template <class Next>
  ExpressionPtr binary(std::initializer_list<std::string_view> symbols, Next next) {
    ExpressionPtr left = next();
    while (now().kind == Kind::symbol &&
           std::find(symbols.begin(), symbols.end(), now().text) != symbols.end()) {
      std::string op = take().text;
      left = join(E::binary, std::move(op), std::move(left), next());
    }
    return left;
  }

  ExpressionPtr sum() {
    return binary({"+", "-"}, [&] {
      return binary({"~"}, [&] {
        return binary({"*", "/", "//", "%"}, [&] { return binary({"**"}, [&] { return unary(true); }); });
      });
    });
  }

  ExpressionPtr unary(bool with_filters) {
    const Nesting nesting(*this);
    ExpressionPtr value;
    if (accept_symbol("-")) {
      value = join(E::negate, "", unary(false));
    } else if (accept_symbol("+")) {
      value = unary(false);
    } else {
      value = postfix(primary());
    }
    return with_filters ? filters_and_tests(std::move(value)) : std::move(value);
  }

  ExpressionPtr primary() {
    const Token token = now();
    switch (token.kind) {
      case Kind::name:
        take();
        return named_value(token.text);
      case Kind::integer:
        take();
        return constant(Value(token.integer));
      case Kind::number:
        take();
        return constant(Value(token.number));
      case Kind::string: {
        std::string text;
        while (now().kind == Kind::string) text += take().text;
        return constant(Value(std::move(text)));
      }
      default:
        break;
    }
    if (accept_symbol("(")) return parenthesized();
    if (accept_symbol("[")) return make(E::list, list_until("]"));
    if (accept_symbol("{")) return dict();
    fail("expected a value, found {}", found());
  }

  ExpressionPtr constant(Value value) {
    auto node = make(E::constant);
    node->value = std::move(value);
    return node;
  }

  ExpressionPtr named_value(const std::string& name) {
    if (name == "true" || name == "True") return constant(Value(true));
    if (name == "false" || name == "False") return constant(Value(false));
    if (name == "none" || name == "None") return constant(Value::none());
    return make(E::name, {}, name);
  }

  ExpressionPtr parenthesized() {
    if (accept_symbol(")")) return make(E::tuple);
    ExpressionPtr first = expression();
    if (accept_symbol(")")) return first;
    expect_symbol(",");
    std::vector<ExpressionPtr> items = list_until(")");
    items.insert(items.begin(), std::move(first));
    return make(E::tuple, std::move(items));
  }

  std::vector<ExpressionPtr> list_until(std::string_view close) {
    std::vector<ExpressionPtr> items;
    while (!accept_symbol(close)) {
      items.push_back(expression());
      if (!is_symbol(close)) expect_symbol(",");
    }
    return items;
  }

  ExpressionPtr dict() {
    std::vector<ExpressionPtr> items;
    while (!accept_symbol("}")) {
      items.push_back(expression());
      expect_symbol(":");
      items.push_back(expression());
      if (!is_symbol("}")) expect_symbol(",");
    }
    return make(E::dict, std::move(items));
  }

  ExpressionPtr postfix(ExpressionPtr value) {
    while (true) {
      if (accept_symbol(".")) {
        if (now().kind == Kind::integer)
          value = join(E::index, "", std::move(value), constant(Value(take().integer)));
        else
          value = join(E::attribute, expect_name(), std::move(value));
      } else if (accept_symbol("[")) {
        value = subscript(std::move(value));
      } else if (accept_symbol("(")) {
        value = join(E::call, "", std::move(value));
        arguments(*value);
      } else {
        return value;
      }
    }
  }

  ExpressionPtr subscript(ExpressionPtr value) {
    ExpressionPtr parts[3];
    int part = 0;
    while (!is_symbol("]")) {
      if (accept_symbol(":")) {
        if (++part > 2) fail("a slice has at most three parts");
      } else if (parts[part]) {
        fail("expected \"]\", found {}", found());
      } else {
        parts[part] = tuple_or_expression();
      }
    }
    take();
    if (part > 0)
      return join(E::slice, "", std::move(value), std::move(parts[0]), std::move(parts[1]),
                  std::move(parts[2]));
    if (!parts[0]) fail("an index is missing");
    return join(E::index, "", std::move(value), std::move(parts[0]));
  }

  /// Behind "(": positional and named arguments up to ")".
  void arguments(Expression& node) {
    while (!accept_symbol(")")) {
      if (now().kind == Kind::name && ahead().kind == Kind::symbol && ahead().text == "=") {
        std::string name = take().text;
        take();
        node.named.emplace_back(std::move(name), expression());
        deepen(node, node.named.back().second.get());
      } else {
        if (!node.named.empty()) fail("a positional argument follows a named one");
        node.children.push_back(expression());
        deepen(node, node.children.back().get());
      }
      if (!is_symbol(")")) expect_symbol(",");
    }
  }

  ExpressionPtr filters_and_tests(ExpressionPtr value) {
    while (true) {
      if (accept_symbol("|")) {
        value = join(E::filter, expect_name(), std::move(value));
        if (accept_symbol("(")) arguments(*value);
      } else if (accept_name("is")) {
        const bool negated = accept_name("not");
        value = join(E::test, expect_name(), std::move(value));
        if (accept_symbol("("))
          arguments(*value);
        else if (begins_test_argument()) {
          value->children.push_back(postfix(primary()));
          deepen(*value, value->children.back().get());
        }
        if (negated) value = join(E::logical_not, "", std::move(value));
      } else {
        return value;
      }
    }
  }

  bool begins_test_argument() const {
    switch (now().kind) {
      case Kind::string:
      case Kind::integer:
      case Kind::number:
        return true;
      case Kind::symbol:
        return now().text == "[" || now().text == "{";
      case Kind::name: {
        constexpr std::string_view kWords[] = {"else", "or", "and", "if", "is", "in", "not"};
        return std::find(std::begin(kWords), std::end(kWords), now().text) == std::end(kWords);
      }
      default:
        return false;
    }
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;
};

}  // namespace

Body parse(std::vector<Token> tokens) {
  return Parser(std::move(tokens)).run();
}

}  // namespace halftone::jinja
