#pragma once

#include "formats/onnx/imported_node.h"

namespace halftone {

/// Operators on quantized tensors that onnxruntime's quantizer writes in its own domain, com.microsoft
/// (QLinearAdd, QLinearConcat, QGemm, ...): rewrites `node` to what they mean, DequantizeLinear of the
/// inputs, the operator on numbers, QuantizeLinear. False for any other operator.
bool spell_out_linear_operator(ImportedNode& node, NodeAppender& graph);

}  // namespace halftone
