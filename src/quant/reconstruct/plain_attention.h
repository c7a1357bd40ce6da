#pragma once

#include "graph/graph.h"

namespace halftone {

/// PagedAttention over one sequence that fills an empty cache is causal attention over the rows at hand:
/// makes each of the graph's an Attention, which has a gradient. What only the cache needed falls dead; graph
/// outputs that are states lose their makers (extract() the others). Returns how many there were.
int replace_paged_attention(Graph& graph);

/// Throws UnsupportedError unless `sequences`, the input of PagedAttention, says so: one row [0, tokens, 0].
void check_one_sequence(const Tensor& sequences, int64_t tokens, const std::string& block);

}  // namespace halftone
