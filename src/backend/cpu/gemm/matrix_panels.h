#pragma once

#include <algorithm>
#include <cmath>

#include "backend/cpu/gemm/matrix_product.h"
#include "backend/cpu/tile/float_tile_loops.h"
#include "base/checked.h"

namespace halftone::cpu {

/// A computed matrix in the panels of FloatTileLoops, in memory of the caller's: its rows or its columns are
/// the outputs. (Constants: tile/packed_panels.h.)
class MatrixPanels {
 public:
  static int64_t floats(const FloatTileLoops& loops, int64_t outputs, int64_t depth) {
    return round_up(outputs, loops.width / 2) * depth;
  }
  /// y[r * y_step + n] = sum over k of a[r * a_step + k] times the matrix; `zeros` as many as outputs, padded
  /// to whole vectors.
  static void multiply(const FloatTileLoops& loops, const float* a, int64_t a_step, int64_t rows,
                       int64_t depth, const float* panels, int64_t outputs, const float* zeros, float* y,
                       int64_t y_step) {
    loops.dense(a, a_step, rows, depth, panels, outputs,
                {y, y_step, zeros, nullptr, 0, -HUGE_VALF, HUGE_VALF});
  }
  static void pack_rows(const FloatTileLoops& loops, const MatrixView& m, float scale, float* to) {
    for (int64_t n = 0; n < m.rows; n += loops.width) {
      const int64_t width = width_of(loops, m.rows - n), count = std::min(width, m.rows - n);
      for (int64_t i = 0; i < width; ++i) {
        const float* from = m.data + (n + i) * m.step;
        for (int64_t k = 0; k < m.columns; ++k) to[k * width + i] = i < count ? from[k] * scale : 0.0f;
      }
      to += width * m.columns;
    }
  }
  static void pack_columns(const FloatTileLoops& loops, const MatrixView& m, float* to) {
    for (int64_t n = 0; n < m.columns; n += loops.width) {
      const int64_t width = width_of(loops, m.columns - n), count = std::min(width, m.columns - n);
      for (int64_t k = 0; k < m.rows; ++k, to += width) {
        std::copy_n(m.data + k * m.step + n, count, to);
        std::fill(to + count, to + width, 0.0f);
      }
    }
  }

 private:
  static int64_t width_of(const FloatTileLoops& loops, int64_t left) {
    return left > loops.width / 2 ? loops.width : loops.width / 2;
  }
};

}  // namespace halftone::cpu
