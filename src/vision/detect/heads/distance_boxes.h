#pragma once

#include "vision/detect/head.h"

namespace halftone {

/// Sides of a box as distributions (generalized focal loss, Li et al., arXiv:2006.04388): `logits` are
/// [left, top, right, bottom] x kDistanceBins; a side's distance is the mean of its softmax over 0, 1, ...
/// strides.
inline constexpr int kDistanceBins = 8;
Box distance_box(const float* logits, float centre_x, float centre_y, float stride);

}  // namespace halftone
