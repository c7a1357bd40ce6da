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

/// Bytes that constants take as stored, and how many numbers they hold.
struct ConstantBytes {
  double bytes = 0;
  double elements = 0;
};
/// By encoding ("int4 g32") or type ("bf16").
std::map<std::string, ConstantBytes> constant_bytes(const Graph& graph);

}  // namespace halftone
