#pragma once

#include "cli/model_options.h"
#include "graph/graph.h"

namespace halftone::cli {

/// Tells what a graph is that is no language model: inputs and outputs, parameters, FLOPs, the peak of memory
/// for intermediate values as a run with these options has it, operators. Open dimensions count as 1.
void report_graph(const Graph& graph, const ModelOptions& options);

}  // namespace halftone::cli
