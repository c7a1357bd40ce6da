#include "backend/cuda/integer_product/mat_mul_integer_kernels.h"

namespace halftone::cuda {
namespace {

DEVICE int code_at(const void* codes, bool is_signed, int64_t i) {
  return is_signed ? int{static_cast<const int8_t*>(codes)[i]} : int{static_cast<const uint8_t*>(codes)[i]};
}
DEVICE int zero_at(const void* zeros, bool is_signed, int64_t i) {
  return zeros ? code_at(zeros, is_signed, i) : 0;
}

}  // namespace

DEVICE_KERNEL(mat_mul_integer_kernel, MatMulIntegerArgs) {
  const Shared<int32_t> rows = shared_memory<int32_t>(0);
  const int column = block_x() * kIntegerThreads + thread(), first = block_y() * kIntegerRows;
  const bool inside = column < args.n;
  const int64_t a = block_z() * args.a_batch, b = block_z() * args.b_batch;
  const int a_zero = zero_at(args.a_zero, args.a_signed, 0);
  const int b_zero = inside ? zero_at(args.b_zero, args.b_signed, args.b_zero_by_column ? column : 0) : 0;
  uint32_t sums[kIntegerRows] = {};
  for (int k = 0; k < args.k; k += kIntegerThreads) {
    sync_block();
    UNROLL
    for (int r = 0; r < kIntegerRows; ++r) {
      const bool there = first + r < args.m && k + thread() < args.k;
      const int64_t at = a + int64_t{first + r} * args.k + k + thread();
      rows[r * kIntegerThreads + thread()] = there ? code_at(args.a, args.a_signed, at) - a_zero : 0;
    }
    sync_block();
    if (!inside) continue;
    const int count = args.k - k < kIntegerThreads ? args.k - k : kIntegerThreads;
    for (int i = 0; i < count; ++i) {
      const int by = code_at(args.b, args.b_signed, b + int64_t{k + i} * args.n + column) - b_zero;
      UNROLL
      for (int r = 0; r < kIntegerRows; ++r)
        sums[r] += static_cast<uint32_t>(static_cast<int32_t>(rows[r * kIntegerThreads + i]) * by);
    }
  }
  if (!inside) return;
  const int64_t y = int64_t{block_z()} * args.m * args.n;
  UNROLL
  for (int r = 0; r < kIntegerRows; ++r)
    if (first + r < args.m) args.y[y + int64_t{first + r} * args.n + column] = static_cast<int32_t>(sums[r]);
}

}  // namespace halftone::cuda
