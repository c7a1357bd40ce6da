#pragma once

#include "quant/quantize_graph.h"

namespace halftone {

/// A recipe of another floating type (Recipe::floating): the weights of every Conv and Gemm are stored in it,
/// rounded to nearest even; activations, biases and norms stay f32. Kernels of ours convert such weights as
/// they pack them or read their rows: no processor is asked for arithmetic of that type, so it saves memory
/// and disk, and time only where weights come from memory. The report says so.
QuantReport cast_weights(Graph& graph, const Recipe& recipe);

}  // namespace halftone
