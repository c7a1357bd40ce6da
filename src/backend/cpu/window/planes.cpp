#include "backend/cpu/window/planes.h"

#include <algorithm>
#include <utility>

namespace halftone::cpu {
namespace {

/// Multiply-adds that are worth a thread's waking.
constexpr int64_t kPieceWork = int64_t{1} << 18;

}  // namespace

Planes make_planes(Window window, const Shape& x, const Shape& y) {
  fit_same(window, x);
  const bool line = window.rank == 1;
  Planes planes;
  planes.batch = x[0];
  planes.rows = line ? 1 : x[2];
  planes.columns = x.back();
  planes.out_rows = line ? 1 : y[2];
  planes.out_columns = y.back();
  planes.y = line ? WindowAxis{} : window[0];
  planes.x = window[line ? 0 : 1];
  return planes;
}

Planes lying(Planes p) {
  const bool upright = p.columns == 1 && p.out_columns == 1 && p.x.kernel == 1 && p.x.pad_begin == 0;
  if (!upright) return p;
  std::swap(p.rows, p.columns);
  std::swap(p.out_rows, p.out_columns);
  std::swap(p.y, p.x);
  return p;
}

WindowRow window_row(const Planes& p, const float* x, float* y, int64_t channels, int64_t y_step,
                     int64_t row) {
  const int64_t image = row / p.out_rows;
  return {x + image * p.rows * p.columns * channels,
          p.rows,
          p.columns,
          channels,
          p.y.kernel,
          p.x.kernel,
          p.y.dilation,
          p.x.dilation,
          p.x.stride,
          row % p.out_rows * p.y.stride - p.y.pad_begin,
          p.x.pad_begin,
          y + row * p.out_columns * y_step,
          p.out_columns,
          y_step};
}

int64_t work_grain(int64_t work) {
  return std::max<int64_t>(1, kPieceWork / std::max<int64_t>(1, work));
}

}  // namespace halftone::cpu
