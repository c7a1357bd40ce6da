#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX LayerNormalization (17): Y = (X - mean) / sqrt(variance + epsilon) * Scale + B, mean and variance
/// over the axes from `axis` on.
///
/// Attributes: axis (-1), epsilon (1e-5), stash_type (1: f32 inside; no other is handled). B is optional.
/// Optional outputs, f32 of X's shape with 1 from `axis` on: Mean, and InvStdDev = 1 / sqrt(variance +
/// epsilon). The reference sums in double.
const OpSchema& layer_normalization_schema();

}  // namespace halftone
