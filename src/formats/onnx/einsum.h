#pragma once

#include "formats/onnx/imported_node.h"

namespace halftone {

/// ONNX Einsum (12): rewrites `node` to what its equation means, operand by operand: ReduceSum of labels that
/// occur nowhere else, Transpose and Unsqueeze until a MatMul (a Mul where nothing is summed over) does the
/// rest, Transpose to the order of the output. Dimensions may be open. InputError for an equation that does
/// not fit its operands, UnsupportedError for a diagonal (a label twice in one operand).
void spell_out_einsum(ImportedNode& node, NodeAppender& graph);

}  // namespace halftone
