#include "backend/cuda/gemm/dynamic_scale.h"
#include "backend/cuda/gemm/int_rows_kernels.h"
#include "backend/cuda/gemm/unpack.h"

namespace halftone::cuda {

/// Where the code of packed column p of a row lies.
DEVICE int code_place(int p) {
  return p / 64 * 64 + p % 32 / 8 * 16 + p % 64 / 32 * 8 + p % 8 / 4 * 4 + (p % 4 >> 1) + (p % 2) * 2;
}

DEVICE_KERNEL(quantize_rows, QuantizeRowsArgs) {
  const WeightsView& w = args.weights;
  const IntRowsView& rows = args.rows;
  const int row = block_x();
  const float* a = args.a + int64_t{row} * w.k;
  const auto at = [&](int p) {
    const int column = source_column(w, p);
    return column < 0 || (args.flags && args.flags[column]) ? 0.0f : a[column];
  };
  const auto largest_of = [&](int begin, int end, int first, int step) {
    int largest = 0;
    for (int p = begin + first; p < end; p += step) {
      const int bits = magnitude_bits(at(p));
      largest = bits > largest ? bits : largest;
    }
    return largest;
  };

  DynamicScale all{};
  if (rows.groups == 1) {
    const int largest = largest_of(0, w.packed_k, thread(), block_threads());
    all = dynamic_scale(block_max(largest, shared_memory<int>(0)));
    if (thread() == 0) rows.scales[row] = all.scale;
  }
  int8_t* codes = rows.codes + int64_t{row} * w.packed_k;
  for (int segment = warp(); segment < rows.segments; segment += block_warps()) {
    const int begin = segment * rows.segment;
    const int end = begin + rows.segment < w.packed_k ? begin + rows.segment : w.packed_k;
    DynamicScale scale = all;
    if (rows.groups != 1) {
      const int group = begin / rows.group, first = group * rows.group;
      const int last = first + rows.group < w.packed_k ? first + rows.group : w.packed_k;
      scale = dynamic_scale(warp_max(largest_of(first, last, lane(), kWarp)));
      if (begin == first && lane() == 0) rows.scales[row * rows.groups + group] = scale.scale;
    }
    int sum = 0;
    for (int p = begin + lane(); p < end; p += kWarp) {
      const int code = dynamic_code(at(p), scale);
      codes[code_place(p)] = static_cast<int8_t>(code);
      sum += code;
    }
    sum = warp_sum(sum);
    if (lane() == 0) rows.sums[segment * args.m + row] = sum;
  }
}

DEVICE_KERNEL(flag_outliers, FlagOutliersArgs) {
  const int k = block_x() * block_threads() + thread();
  if (k >= args.k) return;
  bool found = false;
  for (int64_t row = 0; row < args.m; ++row) {
    const float x = args.a[row * args.k + k];
    found = found || x >= args.threshold || -x >= args.threshold;
  }
  args.flags[k] = found ? 1 : 0;
}

DEVICE_KERNEL(list_outliers, ListOutliersArgs) {
  const Shared<int> counts = shared_memory<int>(0);
  int listed = 0;
  for (int first = 0; first < args.k; first += block_threads()) {
    const int k = first + thread();
    const bool flagged = k < args.k && args.flags[k] != 0;
    const uint32_t warp_flags = ballot(flagged);
    int before = 0, total = 0;
    for (int l = 0; l < kWarp; ++l) {
      const int bit = static_cast<int>((warp_flags >> l) & 1);
      before += l < lane() ? bit : 0;
      total += bit;
    }
    if (lane() == 0) counts[warp()] = total;
    sync_block();
    int start = listed;
    for (int i = 0; i < block_warps(); ++i) {
      const int count = counts[i];
      start += i < warp() ? count : 0;
      listed += count;
    }
    if (flagged) args.outliers[start + before] = k;
    sync_block();
  }
  if (thread() == 0) *args.count = listed;
}

}  // namespace halftone::cuda
