#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "llm/chat_template/value.h"

namespace halftone::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

/// An expression. What `text` and `children` mean depends on the kind.
struct Expression {
  enum class Kind {
    constant,     ///< value
    name,         ///< text
    list,         ///< children
    tuple,        ///< children
    dict,         ///< children: key, value, key, value, ...
    attribute,    ///< children[0].text
    index,        ///< children[0][children[1]]
    slice,        ///< children[0][children[1]:children[2]:children[3]]; null where left out
    call,         ///< children[0](children[1..], named)
    filter,       ///< children[0] | text(children[1..], named)
    test,         ///< children[0] is text(children[1..])
    logical_not,  ///< not children[0]
    logical_and,  ///< children[0] and children[1]
    logical_or,   ///< children[0] or children[1]
    negate,       ///< -children[0]
    binary,       ///< children[0] text children[1]: + - * / // % ** ~
    compare,      ///< children[0] operators[0] children[1] operators[1] children[2] ...
    conditional,  ///< children[0] if children[1] else children[2] (may be null)
  };
  Kind kind;
  int line = 1;
  int depth = 1;  ///< of the tree below
  std::string text{};
  Value value{};
  std::vector<ExpressionPtr> children{};
  std::vector<std::pair<std::string, ExpressionPtr>> named{};
  std::vector<std::string> operators{};
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

/// A name that gets a value, or an attribute of a namespace.
struct Target {
  std::string name;
  std::string attribute{};  ///< empty: the name itself
};

struct Branch {
  ExpressionPtr condition;  ///< null: else
  Body body;
};

struct Macro {
  std::string name;
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;  ///< and their defaults, or null
  Body body;
};

/// A statement. Which members count depends on the kind.
struct Statement {
  enum class Kind {
    text,       ///< text
    print,      ///< expression
    branch,     ///< branches: if, elif, else
    loop,       ///< targets, expression (what to go through), condition (may be null), body, otherwise
    set,        ///< targets, expression
    set_block,  ///< targets, body
    macro,      ///< macro
    break_loop,
    continue_loop,
  };
  Kind kind;
  int line = 1;
  std::string text{};
  ExpressionPtr expression{};
  ExpressionPtr condition{};
  std::vector<Target> targets{};
  std::vector<Branch> branches{};
  Body body{};
  Body otherwise{};
  std::unique_ptr<Macro> macro{};
};

}  // namespace halftone::jinja
