#pragma once

#include "graph/graph.h"

namespace halftone {

/// Whether what node `layer` makes becomes an operand of a product that a softmax follows: the queries and
/// keys of attention, in one operator (PagedAttention, Attention) or as MatMul and Softmax, behind rotary
/// positions, norms and reshapes. `users` is graph.users().
bool feeds_scores(const Graph& graph, const std::vector<std::vector<int>>& users, int layer);

}  // namespace halftone
