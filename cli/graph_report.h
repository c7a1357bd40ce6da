#pragma once

#include <map>
#include <string>

#include "graph/graph.h"

namespace halftone::cli {

/// Tells what a graph is that is no language model: inputs and outputs, parameters, FLOPs, the peak of memory
/// for intermediate values, operators. Open dimensions that `sizes` does not name count as 1.
void report_graph(const Graph& graph, std::map<std::string, int64_t> sizes, bool json);

}  // namespace halftone::cli
