#pragma once

#include <vector>

#include "graph/graph.h"

namespace halftone {

/// By value: whether an infinity in it reaches no layer and no output of the graph, as that of a mask which
/// is added to the scores of attention does not: the Softmax behind them gives finite numbers.
std::vector<bool> ended_infinities(const Graph& graph);

}  // namespace halftone
