#pragma once

#include <string>
#include <vector>

#include "cli/graph_options.h"
#include "cli/model_options.h"
#include "graph/graph.h"

namespace halftone::cli {

/// `halftone bench` of a graph that is no language model.
struct GraphBench {
  FixedParts fixed;
  int repetitions = 30;
  bool layers = false, passes = false, check_plan = false;
  double load_ms = 0;  ///< that opening the graph took
};

void bench_graph(Graph graph, const ModelOptions& model, const GraphBench& options);

}  // namespace halftone::cli
