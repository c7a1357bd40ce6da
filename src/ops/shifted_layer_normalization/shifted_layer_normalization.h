#pragma once

#include <vector>

#include "ops/op_schema.h"

namespace halftone {

/// LayerNormalization (ONNX 17, over the last axis) of an input whose channels lie in powers of two:
///   Y = LayerNormalization(X * 2^exponents) * Scale + B,
/// `exponents` a whole number from 0 to 15 a channel, an attribute. So one scale of codes serves channels of
/// very different ranges, and integers are shifted and no more (the power-of-two factor of FQ-ViT,
/// arXiv:2111.13824). Attributes: exponents, epsilon (1e-5). B is optional. The reference sums in double.
const OpSchema& shifted_layer_normalization_schema();

/// The exponents of a LayerNormalization of either kind over `columns` numbers: 0 where it has none.
std::vector<int64_t> shift_exponents(const OpSite& site, int64_t columns);

}  // namespace halftone
