#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// MatMulInteger: Y [m, n] = sum over k of (A [m, k] - a_zero) (B [k, n] - b_zero), in i32, which wraps
/// around; so for each batch. Codes are u8 or i8 (`signed`). A block of 128 threads has eight rows, whose
/// codes pass through shared memory 128 at a time, and a column for each thread. Grid: columns, rows,
/// batches.
struct MatMulIntegerArgs {
  const void* a;
  const void* b;
  const void* a_zero;  ///< one of A's type; null: 0
  const void* b_zero;  ///< of B's type, one or [n]; null: 0
  int32_t* y;
  int64_t a_batch, b_batch;  ///< elements from batch to batch
  int32_t m, n, k;
  bool a_signed, b_signed;
  bool b_zero_by_column;
};
constexpr int kIntegerRows = 8, kIntegerThreads = 128;
constexpr size_t kIntegerShared = static_cast<size_t>(kIntegerRows) * kIntegerThreads * sizeof(int32_t);
DECLARE_DEVICE_KERNEL(mat_mul_integer_kernel, MatMulIntegerArgs);

}  // namespace halftone::cuda
