#pragma once

#include <map>
#include <string>
#include <vector>

#include "quant/quantize_graph.h"

namespace halftone {

/// Where codes of one scale serve a hidden layer of an MLP (Gemm -> Gelu -> Gemm), a unit far larger than the
/// others takes all of them. A unit whose peak is over 4 times that of all but a hundredth of the units
/// leaves these layers (its weights there become 0) for a pair of layers of its own, whose sum with the
/// others' is what the second layer gave. The pair has rows of 0 beside, so that recipes take its weights for
/// a layer's (`minimum_elements`); where that needs more rows than there are units, all stay as they are.
///
/// `peaks` are those of hidden_units() (channel_peaks.h). The graph computes what it did. Returns what was
/// done.
std::vector<LayerNote> part_outlier_units(Graph& graph,
                                          const std::map<std::string, std::vector<float>>& peaks,
                                          int64_t minimum_elements);

/// What each Gelu of such an MLP reads.
std::vector<ValueId> hidden_units(const Graph& graph);

}  // namespace halftone
