#pragma once

#include <array>

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

/// Its attributes. InputError for others.
struct GridSampling {
  enum class Padding { zeros, border, reflection };
  enum class Mode { nearest, linear, cubic };
  Mode mode;
  Padding padding;
  bool align_corners;
};
GridSampling grid_sampling(const OpSite& site);

struct GridTap {
  int64_t index;
  double weight;
};
/// The elements along one axis of `size` that coordinate `normal` reads; none where it reads zeros only.
struct GridTaps {
  size_t count = 0;
  std::array<GridTap, 4> taps;
};
GridTaps grid_taps(float normal, int64_t size, const GridSampling& sampling);

}  // namespace halftone
