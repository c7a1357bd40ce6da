#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// Our own operator: the gradient of a loss with respect to X, of which q = (X - m) r is normalised over the
/// axes from `axis` on, given the gradient g with respect to q:
///   dX = r (g - mean(g) - q mean(g q)), m the mean and r = 1 / sqrt(variance + epsilon) when centered is 1
///   (LayerNormalization); dX = r (g - q mean(g q)), m = 0 and r = 1 / sqrt(mean(X^2) + epsilon) when it is 0
///   (RMSNormalization).
///
/// Inputs: gradient and X, of one floating type and shape. Output: dX, the same. Attributes: axis (-1),
/// epsilon (1e-5), centered (0). The reference sums in double.
const OpSchema& normalization_gradient_schema();

/// One row of it: gradient and x of the normalised axes in, dx out (may be gradient).
void normalization_gradient_row(std::span<const float> gradient, std::span<const float> x, float epsilon,
                                bool centered, std::span<float> dx);

}  // namespace halftone
