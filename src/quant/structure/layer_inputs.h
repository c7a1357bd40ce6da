#pragma once

#include <functional>

#include "graph/graph.h"
#include "quant/matrix/matrix_view.h"

namespace halftone {

/// How often the weights of a layer are multiplied with rows of their own: the groups of a convolution, 1
/// elsewhere.
int64_t input_parts(const Node& layer);

/// Shows the rows that a layer multiplies with each row of its weights, for one value of its activation: the
/// activation itself of Gemm and MatMul (leading axes joined), the window of each output place of a Conv
/// (im2col), a bounded number of rows at a time. `part`: the group of the convolution.
void visit_layer_inputs(const Graph& graph, const Node& layer, const TensorView& activation, int64_t part,
                        const std::function<void(MatrixView rows)>& see);

}  // namespace halftone
