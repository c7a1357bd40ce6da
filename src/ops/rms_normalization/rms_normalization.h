#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX RMSNormalization (23): Y = X / sqrt(mean(X^2) + epsilon) * scale, the mean over the axes from `axis`
/// on.
///
/// Attributes: axis (-1), epsilon (1e-5), stash_type (1: the mean and the quotient in f32; no other is
/// handled). The quotient is rounded to X's type before scale multiplies it. scale broadcasts to X.
/// The reference sums in double.
const OpSchema& rms_normalization_schema();

/// One row of it, in f32: 1 / sqrt(mean(x^2) + epsilon), the sum in double.
float inverse_rms(std::span<const float> row, float epsilon);

}  // namespace halftone
