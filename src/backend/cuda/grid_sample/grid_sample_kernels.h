#pragma once

#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

enum class SampleMode : int32_t { nearest, linear, cubic };
enum class SamplePadding : int32_t { zeros, border, reflection };

/// GridSample of pictures: Y[n, c, place] is X[n, c] at the coordinates (x, y) in [-1, 1] that the grid has
/// for the place, planar. Coordinates are scaled and mirrored in f32 as in ops/grid_sample; weights and sums
/// are f32. A thread an output.
struct GridSampleArgs {
  Floats x;     ///< [batch, channels, height, width]
  Floats grid;  ///< [batch, places, 2]
  FloatsOut y;  ///< [batch, channels, places]
  int64_t count, places;
  int32_t channels, height, width;
  SampleMode mode;
  SamplePadding padding;
  bool align_corners;
};
DECLARE_DEVICE_KERNEL(grid_sample_kernel, GridSampleArgs);

}  // namespace halftone::cuda
