#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX GridSample (22): Y[n, c, place] is X[n, c] read where grid[n, place] points, between elements by
/// interpolation.
///
/// Inputs: X [N, C, spatial...], grid [N, out spatial..., axes], the last axis of X first, -1 to 1 over its
/// extent. Y [N, C, out spatial...]; both of floating types.
/// Attributes: mode (linear, nearest, cubic; opset 16's bilinear and bicubic too), padding_mode (zeros,
/// border, reflection), align_corners (0: -1 and 1 are the outer edges of the corner elements; 1: their
/// centres). Coordinates are computed in f32, sums in f64; halves of nearest go to even.
const OpSchema& grid_sample_schema();

}  // namespace halftone
