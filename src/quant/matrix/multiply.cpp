#include "quant/matrix/multiply.h"

#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "base/cpu.h"
#include "quant/matrix/multiply_kernel.h"

namespace halftone {
namespace {

constexpr int64_t kDepth = 256;         ///< columns of A that are packed at a time
constexpr int64_t kPieceRows = 192;     ///< of C, for one piece of work: A's part stays in the second cache
constexpr int64_t kPieceColumns = 512;  ///< B's part does as well

const MultiplyKernel& kernel() {
#if defined(__x86_64__)
  if (cpu_has(Isa::avx512vnni)) return multiply_avx512vnni;
  if (cpu_has(Isa::avx2)) return multiply_avx2;
#elif defined(__aarch64__)
  if (cpu_has(Isa::neon)) return multiply_neon;
#endif
  return multiply_scalar;
}

/// Strips of `width` rows of `from`, each as [columns][width], zeros behind the last row.
void pack(MatrixView from, int64_t width, float* to) {
  for (int64_t first = 0; first < from.rows; first += width) {
    const int64_t count = std::min(width, from.rows - first);
    for (int64_t c = 0; c < from.columns; ++c, to += width) {
      const float* column = from.data + first * from.row_step + c * from.column_step;
      for (int64_t r = 0; r < count; ++r) to[r] = column[r * from.row_step];
      for (int64_t r = count; r < width; ++r) to[r] = 0;
    }
  }
}

void add_tile(const float* tile, int64_t tile_step, float alpha, MutableMatrixView c) {
  for (int64_t r = 0; r < c.rows; ++r) {
    float* row = c.data + r * c.row_step;
    for (int64_t i = 0; i < c.columns; ++i) row[i] += alpha * tile[r * tile_step + i];
  }
}

void scale(float factor, MutableMatrixView c) {
  if (factor == 1) return;
  for (int64_t r = 0; r < c.rows; ++r) {
    float* row = c.data + r * c.row_step;
    for (int64_t i = 0; i < c.columns; ++i) row[i] = factor == 0 ? 0 : factor * row[i];
  }
}

/// One piece of C, all of the depth.
void multiply_piece(const MultiplyKernel& kernel, float alpha, MatrixView a, MatrixView b, float beta,
                    MutableMatrixView c) {
  scale(beta, c);
  thread_local std::vector<float> packed_a, packed_b, tile;
  packed_a.resize(static_cast<size_t>(round_up(a.rows, kernel.rows) * kDepth));
  packed_b.resize(static_cast<size_t>(round_up(b.columns, kernel.columns) * kDepth));
  tile.resize(static_cast<size_t>(kernel.rows * kernel.columns));
  for (int64_t k = 0; k < a.columns; k += kDepth) {
    const int64_t depth = std::min(kDepth, a.columns - k);
    pack(a.part(0, k, a.rows, depth), kernel.rows, packed_a.data());
    pack(b.part(k, 0, depth, b.columns).transposed(), kernel.columns, packed_b.data());
    for (int64_t j = 0; j < c.columns; j += kernel.columns)
      for (int64_t i = 0; i < c.rows; i += kernel.rows) {
        kernel.tile(depth, packed_a.data() + i * depth, packed_b.data() + j * depth, tile.data());
        add_tile(tile.data(), kernel.columns, alpha,
                 c.part(i, j, std::min(kernel.rows, c.rows - i), std::min(kernel.columns, c.columns - j)));
      }
  }
}

}  // namespace

void multiply(float alpha, MatrixView a, MatrixView b, float beta, MutableMatrixView c, ThreadPool& threads,
              ProductPart part) {
  const MultiplyKernel& loops = kernel();
  const int64_t across = ceil_div(c.columns, kPieceColumns), down = ceil_div(c.rows, kPieceRows);
  threads.parallel_for(across * down, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t i = piece / across * kPieceRows, j = piece % across * kPieceColumns;
      const int64_t rows = std::min(kPieceRows, c.rows - i);
      if (part == ProductPart::lower && j >= i + rows) continue;
      const int64_t columns = std::min(kPieceColumns, c.columns - j);
      multiply_piece(loops, alpha, a.part(i, 0, rows, a.columns), b.part(0, j, b.rows, columns), beta,
                     c.part(i, j, rows, columns));
    }
  });
}

}  // namespace halftone
