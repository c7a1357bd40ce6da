#pragma once

#include "backend/cpu/window/window_loops.h"
#include "ops/window.h"

namespace halftone::cpu {

/// Kernels of windows work on planes of rows and columns; one spatial axis is a plane of one row.
struct Planes {
  int64_t batch, rows, columns;  ///< of the input
  int64_t out_rows, out_columns;
  WindowAxis y, x;

  int64_t out_places() const { return batch * out_rows * out_columns; }
  int64_t taps() const { return y.kernel * x.kernel; }
};

/// At concrete shapes, X and Y [N, C, (rows,) columns]; `window` as it was read of symbolic ones.
Planes make_planes(Window window, const Shape& x, const Shape& y);

/// The same where each image is one row: of one column, whose window is one column wide, the axes are
/// exchanged. No number lies elsewhere.
Planes lying(Planes planes);

/// Row `row` of the batch * out_rows rows of outputs, channels-last, their places y_step floats apart.
WindowRow window_row(const Planes& planes, const float* x, float* y, int64_t channels, int64_t y_step,
                     int64_t row);

/// Pieces of parallel work should take as many items, when each takes `work` multiply-adds.
int64_t work_grain(int64_t work);

}  // namespace halftone::cpu
