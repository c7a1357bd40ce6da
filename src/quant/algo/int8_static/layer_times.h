#pragma once

#include <map>
#include <string>

#include "graph/graph.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// Milliseconds that each node takes (by name): the best of a few runs over the first sample.
std::map<std::string, double> layer_times(const Graph& graph, const QuantizeOptions& options);

}  // namespace halftone
