#pragma once

#include <string>

#include "runtime/plan.h"

namespace halftone {

/// All that packed constants follow from, but for the bytes of mapped files: the graph before passes with its
/// small constants, how it is compiled, the instruction sets at hand, and this program.
std::string plan_identity(const Graph& graph, const CompileOptions& options);

}  // namespace halftone
