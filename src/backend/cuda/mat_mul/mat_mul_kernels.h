#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Y [batch, m, n] = A [batch, m, k] B [batch, k, n] in f32, the batch's dimensions broadcast. One block a
/// 64 x 64 tile of Y, 128 threads.
///
/// Each factor is a sum of two tf32 numbers, high and low; of the four products low * low is left out.
/// |error|
/// <= 3 * 2^-22 sum |a b| besides the f32 sums. Infinite numbers give NaN.
struct MatMulArgs {
  const float* a;
  const float* b;
  float* y;
  int m, n, k;
  int dims[4];                         ///< of the batch, filled up with 1 at the front
  int64_t a_strides[4], b_strides[4];  ///< in matrices; 0 where broadcast
};

constexpr int kMatMulTile = 64, kMatMulDepth = 16;
/// Floats from row to row of the tiles of A and B in shared memory: the lanes of a fragment meet all banks.
constexpr int kMatMulStrideA = kMatMulDepth + 4, kMatMulStrideB = kMatMulTile + 8;
constexpr size_t kMatMulShared =
    (kMatMulTile * kMatMulStrideA + kMatMulDepth * kMatMulStrideB) * sizeof(float);

DECLARE_DEVICE_KERNEL(mat_mul_kernel, MatMulArgs);

}  // namespace halftone::cuda
