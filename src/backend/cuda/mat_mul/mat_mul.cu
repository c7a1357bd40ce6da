#include "backend/cuda/mat_mul/mat_mul_kernels.h"

namespace halftone::cuda {

struct Tf32Pair {
  uint32_t high, low;
};
DEVICE Tf32Pair tf32_pair(float x) {
  const uint32_t high = (bits_of(x) + 0x1000u) & 0xffffe000u;
  return {high, (bits_of(x - float_of(high)) + 0x1000u) & 0xffffe000u};
}

DEVICE_KERNEL_BOUNDED(mat_mul_kernel, MatMulArgs, 128, 2) {
  constexpr int kTile = kMatMulTile, kDepth = kMatMulDepth;
  const Shared<float> a_tile = shared_memory<float>(0);
  const Shared<float> b_tile = shared_memory<float>(kTile * kMatMulStrideA * sizeof(float));
  const int row_tiles = (args.m + kTile - 1) / kTile, column_tiles = (args.n + kTile - 1) / kTile;
  const int tile = block_x() % (row_tiles * column_tiles);
  int batch = block_x() / (row_tiles * column_tiles);
  const int64_t y_at = int64_t{batch} * args.m * args.n;
  int64_t a_at = 0, b_at = 0;
  UNROLL
  for (int d = 3; d >= 0; --d) {
    const int i = batch % args.dims[d];
    batch /= args.dims[d];
    a_at += i * args.a_strides[d];
    b_at += i * args.b_strides[d];
  }
  const float* a = args.a + a_at * args.m * args.k;
  const float* b = args.b + b_at * args.k * args.n;
  const int row0 = tile % row_tiles * kTile, column0 = tile / row_tiles * kTile;
  const int g = lane() / 4, t = lane() % 4;
  const int warp_row = warp() % 2 * 32, warp_column = warp() / 2 * 32;

  float sums[2][4][4] = {};
  for (int depth = 0; depth < args.k; depth += kDepth) {
    sync_block();
    UNROLL
    for (int i = 0; i < kTile * kDepth / 128; ++i) {
      const int at = i * 128 + thread();
      const int row = at / kDepth, k = at % kDepth;
      const bool in_a = row0 + row < args.m && depth + k < args.k;
      a_tile[row * kMatMulStrideA + k] = in_a ? a[int64_t{row0 + row} * args.k + depth + k] : 0.0f;
      const int column = at % kTile, deep = at / kTile;
      const bool in_b = column0 + column < args.n && depth + deep < args.k;
      b_tile[deep * kMatMulStrideB + column] =
          in_b ? b[int64_t{depth + deep} * args.n + column0 + column] : 0.0f;
    }
    sync_block();
    UNROLL
    for (int k = 0; k < kDepth; k += 8) {
      uint32_t a_high[2][4], a_low[2][4];
      UNROLL
      for (int i = 0; i < 2; ++i) {
        UNROLL
        for (int r = 0; r < 4; ++r) {
          const int row = warp_row + 16 * i + g + r % 2 * 8;
          const Tf32Pair pair = tf32_pair(a_tile[row * kMatMulStrideA + k + t + r / 2 * 4]);
          a_high[i][r] = pair.high;
          a_low[i][r] = pair.low;
        }
      }
      UNROLL
      for (int j = 0; j < 4; ++j) {
        uint32_t b_high[2], b_low[2];
        UNROLL
        for (int r = 0; r < 2; ++r) {
          const Tf32Pair pair = tf32_pair(b_tile[(k + t + 4 * r) * kMatMulStrideB + warp_column + 8 * j + g]);
          b_high[r] = pair.high;
          b_low[r] = pair.low;
        }
        UNROLL
        for (int i = 0; i < 2; ++i) {
          mma_tf32(sums[i][j], a_low[i], b_high);
          mma_tf32(sums[i][j], a_high[i], b_low);
          mma_tf32(sums[i][j], a_high[i], b_high);
        }
      }
    }
  }

  float* y = args.y + y_at;
  UNROLL
  for (int i = 0; i < 2; ++i) {
    UNROLL
    for (int j = 0; j < 4; ++j) {
      UNROLL
      for (int r = 0; r < 4; ++r) {
        const int row = row0 + warp_row + 16 * i + g + r / 2 * 8;
        const int column = column0 + warp_column + 8 * j + 2 * t + r % 2;
        if (row < args.m && column < args.n) y[int64_t{row} * args.n + column] = sums[i][j][r];
      }
    }
  }
}

}  // namespace halftone::cuda
