#pragma once

#include <vector>

#include "graph/graph.h"
#include "quant/quantize_graph.h"
#include "quant/targets.h"

namespace halftone {

/// Rounding weights and inputs shifts the mean of each output of a layer; its bias takes the shift off (Nagel
/// et al., arXiv:1906.04721, section 4.2, here with the inputs' rounding too).
///
/// For every layer of `targets` that reads codes (graph/static_codes.h) the shift is W' E[x'] - W E[x], x its
/// floating input on calibration data, x' what the codes hold of it, W and W' the weights of `floating` and
/// of `graph`; a residual in codes counts likewise. The mean over places stands for every tap of a window.
/// MatMul, which has no bias, stays as it is. Nodes, values and names of both graphs are the same.
void correct_biases(Graph& graph, const Graph& floating, const std::vector<QuantTarget>& targets,
                    const QuantizeOptions& options);

}  // namespace halftone
