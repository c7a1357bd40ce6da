#include "backend/cuda/gemm/half_rows_kernels.h"
#include "backend/cuda/gemm/power_of_two.h"
#include "backend/cuda/gemm/unpack.h"

namespace halftone::cuda {
namespace {

DEVICE int larger(int largest, float x) {
  const int bits = magnitude_bits(x);
  return bits > largest ? bits : largest;
}
DEVICE int larger(int largest, const Vec4& v) {
  return larger(larger(larger(larger(largest, v.x), v.y), v.z), v.w);
}

/// A row read once, eight columns a thread at a time, and kept in registers between its largest number and
/// its rounding.
DEVICE void wide_row(const HalfRowsArgs& args) {
  const WeightsView& w = args.weights;
  const int64_t first = int64_t{block_x()} * w.k;
  const auto column = [&](int pass) { return (pass * block_threads() + thread()) * kHalfRowsColumns; };
  Vec4 held[kHalfRowsPasses][2] = {};
  int largest = 0;
  UNROLL
  for (int pass = 0; pass < kHalfRowsPasses; ++pass) {
    if (column(pass) >= w.k) continue;
    held[pass][0] = args.a.four(first + column(pass));
    held[pass][1] = args.a.four(first + column(pass) + 4);
  }
  UNROLL
  for (int pass = 0; pass < kHalfRowsPasses; ++pass)
    largest = larger(larger(largest, held[pass][0]), held[pass][1]);
  const HalfRange range = half_range(block_max(largest, shared_memory<int>(0)));
  if (thread() == 0) args.back[block_x()] = range.back;

  const int64_t row = int64_t{block_x()} * w.packed_k;
  UNROLL
  for (int pass = 0; pass < kHalfRowsPasses; ++pass) {
    if (column(pass) >= w.packed_k) continue;
    const Vec4 x = held[pass][0], y = held[pass][1];
    const float s = range.scale;
    const SplitPair pairs[4] = {split_pair(x.x * s, x.y * s), split_pair(x.z * s, x.w * s),
                                split_pair(y.x * s, y.y * s), split_pair(y.z * s, y.w * s)};
    const int64_t at = row + column(pass);
    if (args.as_fragments) {
      UNROLL
      for (int i = 0; i < 4; ++i)
        store_wide(args.rows + (row + fragment_place(column(pass) + 2 * i)), pairs[i].high);
      continue;
    }
    store_wide(args.rows + at, Words4{pairs[0].high, pairs[1].high, pairs[2].high, pairs[3].high});
    if (args.rest) store_wide(args.rest + at, Words4{pairs[0].low, pairs[1].low, pairs[2].low, pairs[3].low});
  }
}

DEVICE void any_row(const HalfRowsArgs& args) {
  const WeightsView& w = args.weights;
  const int64_t first = int64_t{block_x()} * w.k;
  int largest = 0;
  for (int k = thread(); k < w.k; k += block_threads()) largest = larger(largest, args.a[first + k]);
  const HalfRange range = half_range(block_max(largest, shared_memory<int>(0)));
  if (thread() == 0) args.back[block_x()] = range.back;

  const auto at = [&](int p) {
    const int column = source_column(w, p);
    return column < 0 ? 0.0f : args.a[first + column] * range.scale;
  };
  const int64_t row = int64_t{block_x()} * w.packed_k;
  for (int p = 2 * thread(); p < w.packed_k; p += 2 * block_threads()) {
    const SplitPair pair = split_pair(at(p), at(p + 1));
    store_wide(args.rows + row + (args.as_fragments ? fragment_place(p) : p), pair.high);
    if (args.rest) store_wide(args.rest + row + p, pair.low);
  }
}

}  // namespace

DEVICE_KERNEL_BOUNDED(half_rows, HalfRowsArgs, 1024, 1) {
  if (block_x() == 0)
    for (int i = thread(); i < args.zero_count; i += block_threads()) args.zeros[i] = 0;
  if (args.wide)
    wide_row(args);
  else
    any_row(args);
}

}  // namespace halftone::cuda
