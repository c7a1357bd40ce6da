#pragma once

#include "cli/model_options.h"
#include "graph/graph.h"
#include "graph/passes/pass.h"

namespace halftone::cli {

/// Tells what a graph is that is no language model: inputs and outputs, parameters, FLOPs, the peak of memory
/// for intermediate values as a run with these options has it, operators; where `passes`, what the passes
/// before such a run do, on stderr or under "passes". Open dimensions count as 1.
void report_graph(const Graph& graph, const ModelOptions& options, bool passes);

/// The graph as compile() leaves it: with a backend's layouts, and codes.
struct GraphToRun {
  Graph graph;
  std::vector<PassReport> passes;
};
GraphToRun graph_to_run(Graph graph, const ModelOptions& options);

}  // namespace halftone::cli
