#pragma once

#include "llm/chat_template/ast.h"
#include "llm/chat_template/lexer.h"

namespace halftone::jinja {

/// Statements of a template: text, {{ }}, if, for, set, macro, break, continue, generation (whose body counts
/// as if the tag were not there). Throws InputError naming the line for anything else, and for nesting beyond
/// a bound.
Body parse(std::vector<Token> tokens);

}  // namespace halftone::jinja
