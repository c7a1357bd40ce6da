#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// The cost of one run at given sizes of the graph's symbols (every symbol must be named), node by node and
/// in all.
struct GraphCost {
  Cost total;
  std::vector<Cost> nodes;
};
GraphCost graph_cost(const Graph& graph, const std::map<std::string, int64_t>& symbol_sizes);

/// Stored bytes of constants and how many numbers they hold.
struct WeightSize {
  double bytes = 0;
  double elements = 0;
};
/// What was trained, by encoding ("int4 g32") or type ("bf16"). Tables of rotary positions and integer
/// constants are computed, not trained, and do not count.
std::map<std::string, WeightSize> weights_by_encoding(const Graph& graph);
/// The same, all together.
WeightSize weight_size(const Graph& graph);

}  // namespace halftone
