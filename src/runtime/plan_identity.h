#pragma once

#include <string>

#include "runtime/plan.h"

namespace halftone {

/// All that packed constants follow from, but for the bytes of mapped files: the graph before passes,
/// what constants follow from beside files or digests of them under the cache's secret, how it is compiled,
/// the instruction sets at hand, and this program. `options.cache` must be there.
std::string plan_identity(const Graph& graph, const CompileOptions& options, ThreadPool& threads);

}  // namespace halftone
