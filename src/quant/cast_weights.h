#pragma once

#include "quant/quantize_graph.h"

namespace halftone {

/// A recipe of another floating type (Recipe::floating): the weights of every Conv and Gemm are stored in it,
/// rounded to nearest even; biases and norms stay f32. Under bf16 the inputs of these layers are rounded to
/// it too, on the use (scheme/bf16/rounded_bf16.h), for processors that multiply bf16; --exact takes that
/// away. Convolutions of few input channels keep their input, so do those of many groups: they are not
/// products of matrices. Kernels of ours convert f16 weights to f32 as they pack or read them. The report
/// says all this.
QuantReport cast_weights(Graph& graph, const Recipe& recipe);

}  // namespace halftone
