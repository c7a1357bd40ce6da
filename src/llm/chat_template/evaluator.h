#pragma once

#include "llm/chat_template/ast.h"

namespace halftone::jinja {

/// Runs a template with these variables and returns what it prints. Throws InputError naming the line for
/// everything that Jinja raises, and when a bound on depth, work or size is passed.
std::string evaluate(const Body& body, Dict variables);

}  // namespace halftone::jinja
