#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Y [batch, m, n] = A [batch, m, k] B [batch, k, n], the batch's dimensions broadcast. One block a 64 x 64
/// tile of Y, 128 threads.
///
/// Of f32 each factor is a sum of two tf32 numbers, high and low; of the four products low * low is left out.
/// |error|
/// <= 3 * 2^-22 sum |a b| besides the f32 sums. Infinite numbers give NaN.
struct MatMulArgs {
  const void* a;
  const void* b;
  void* y;
  int m, n, k;
  bool wide_a, wide_b;                 ///< of 16 bits: rows can be read 16 bytes at a time
  int dims[4];                         ///< of the batch, filled up with 1 at the front
  int64_t a_strides[4], b_strides[4];  ///< in matrices; 0 where broadcast
};

constexpr int kMatMulTile = 64, kMatMulDepth = 16;
/// Floats from row to row of the tiles of A and B in shared memory: the lanes of a fragment meet all banks.
constexpr int kMatMulStrideA = kMatMulDepth + 4, kMatMulStrideB = kMatMulTile + 8;
constexpr size_t kMatMulShared =
    (kMatMulTile * kMatMulStrideA + kMatMulDepth * kMatMulStrideB) * sizeof(float);

DECLARE_DEVICE_KERNEL(mat_mul_kernel, MatMulArgs);

/// Of 16 bits, summed in f32, rounded once: tiles of A (32 columns) and B (32 rows) lie twice in shared
/// memory, the next ones come to registers meanwhile. Rows are padded so that fragments meet all banks.
constexpr int kShortDepth = 32;
constexpr int kShortRowA = 2 * kShortDepth + 16, kShortRowB = 2 * kMatMulTile + 16;  ///< bytes
constexpr int kShortTileA = kMatMulTile * kShortRowA, kShortTileB = kShortDepth * kShortRowB;
constexpr size_t kShortMatMulShared = 2 * (kShortTileA + kShortTileB);
DECLARE_DEVICE_KERNEL(mat_mul_f16, MatMulArgs);
DECLARE_DEVICE_KERNEL(mat_mul_bf16, MatMulArgs);

}  // namespace halftone::cuda
