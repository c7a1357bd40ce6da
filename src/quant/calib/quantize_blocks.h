#pragma once

#include <vector>

#include "quant/algorithm.h"
#include "quant/quantize_graph.h"

namespace halftone {

/// Runs a chain over a graph block by block, with activations. `targets` are find_targets()'s; weights
/// that several blocks share are rounded to nearest (a note tells). Encodings of activations must be set
/// already. When it returns, every target of the blocks that ran has its codes.
std::vector<LayerNote> quantize_blocks(Graph& graph, const AlgorithmChain& chain,
                                       const std::vector<QuantTarget>& targets,
                                       const QuantizeOptions& options);

}  // namespace halftone
