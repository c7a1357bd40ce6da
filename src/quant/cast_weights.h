#pragma once

#include "quant/quantize_graph.h"

namespace halftone {

/// A recipe of another floating type (Recipe::floating): the weights of every Conv and Gemm are stored in it,
/// rounded to nearest even; biases and norms stay f32. Under bf16 their inputs are rounded to it too, on the
/// use (round_activations()), for processors that multiply bf16; --exact takes that away. Kernels of ours
/// convert f16 weights to f32 as they pack or read them. The report says all this.
QuantReport cast_weights(Graph& graph, const Recipe& recipe);

}  // namespace halftone
