#include "backend/cuda/gemm/many_tokens_kernels.h"
#include "backend/cuda/gemm/power_of_two.h"
#include "backend/cuda/gemm/unpack.h"

namespace halftone::cuda {

DEVICE_KERNEL(half_rows, HalfRowsArgs) {
  const WeightsView& w = args.weights;
  const float* a = args.a + int64_t{block_x()} * w.k;
  int largest = 0;
  for (int k = thread(); k < w.k; k += block_threads()) {
    const int bits = magnitude_bits(a[k]);
    largest = bits > largest ? bits : largest;
  }
  const HalfRange range = half_range(block_max(largest, shared_memory<int>(0)));
  if (thread() == 0) args.back[block_x()] = range.back;

  const auto at = [&](int p) {
    const int column = source_column(w, p);
    return column < 0 ? 0.0f : a[column] * range.scale;
  };
  const int64_t row = int64_t{block_x()} * w.packed_k;
  for (int p = 2 * thread(); p < w.packed_k; p += 2 * block_threads()) {
    const SplitPair pair = split_pair(at(p), at(p + 1));
    store_wide(args.rows + row + p, pair.high);
    if (args.rest) store_wide(args.rest + row + p, pair.low);
  }
}

DEVICE_KERNEL(sum_parts, SumPartsArgs) {
  const int64_t elements = int64_t{args.out.m} * args.out.n;
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i >= elements) return;
  float sum = 0;
  for (int part = 0; part < args.parts; ++part) sum += args.partial[part * elements + i];
  store_product(args.out, static_cast<int>(i / args.out.n), static_cast<int>(i % args.out.n), sum);
}

}  // namespace halftone::cuda
