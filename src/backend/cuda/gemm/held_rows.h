#pragma once

#include "backend/cuda/gemm/few_tokens_kernels.h"
#include "backend/cuda/gemm/power_of_two.h"
#include "backend/cuda/gemm/unpack.h"

namespace halftone::cuda {

/// Columns p to p + 7 (packed) of a row of A.
struct EightColumns {
  float x[8];
};
/// Of a row that lies as its packed columns do, and can be read 16 bytes at a time.
DEVICE EightColumns eight_plain_columns(const float* a, int p) {
  EightColumns eight;
  UNROLL
  for (int i = 0; i < 8; i += 4) {
    const Vec4 four = load_wide<Vec4>(a + p + i);
    eight.x[i] = four.x;
    eight.x[i + 1] = four.y;
    eight.x[i + 2] = four.z;
    eight.x[i + 3] = four.w;
  }
  return eight;
}
DEVICE EightColumns eight_columns(const WeightsView& w, const float* a, int p) {
  const int within = p % w.group, column = p / w.group * w.taken + within;
  EightColumns eight;
  UNROLL
  for (int i = 0; i < 8; ++i) eight.x[i] = within + i < w.taken && column + i < w.k ? a[column + i] : 0.0f;
  return eight;
}
DEVICE float magnitude(const EightColumns& eight) {
  float top = 0;
  UNROLL
  for (float x : eight.x) top = larger(top, absolute(x));
  return top;
}

/// Columns [begin, end) of `rows` rows of A as f16 in shared memory. What shares a scale of the weights, 32
/// << flush_shift columns, is multiplied by a power of two; their sum (`sums`) and what undoes that are
/// noted. Warps share the rows out: all eight have one row, or each its own. Whole for all threads on return.
template <bool split, bool sums>
class RowHolder {
 public:
  DEVICE_MEMBER RowHolder(const FewTokensArgs& args, int first_row, int rows, int begin, int end,
                          const FewTokensShared& at)
      : args_(args),
        rows_(rows),
        begin_(begin),
        count_((end - begin) / 8),
        a_(args.a + int64_t{first_row} * args.weights.k),
        stride_(few_tokens_stride(args.round_columns)),
        held_(shared_memory<uint16_t>(static_cast<size_t>(at.held))),
        notes_(shared_memory<float>(static_cast<size_t>(at.notes))) {}

  DEVICE_MEMBER void hold() const {
    const WeightsView& w = args_.weights;
    if (args_.wide && w.group == w.taken && begin_ + 8 * count_ <= w.k)
      place([&](int r, int i) { return eight_plain_columns(row(r), begin_ + 8 * i); });
    else
      place([&](int r, int i) { return eight_columns(w, row(r), begin_ + 8 * i); });
    sync_block();
  }

 private:
  DEVICE_MEMBER const float* row(int r) const { return a_ + int64_t{r} * args_.weights.k; }

  template <class Load>
  DEVICE_MEMBER void place(const Load& load) const {
    const int row_warps = rows_ == 1 ? 8 : rows_ == 2 ? 4 : rows_ <= 4 ? 2 : 1, threads = row_warps * kWarp;
    const int within = thread() & (threads - 1);
    for (int r = warp() / row_warps; r < rows_; r += kFewWarps / row_warps) {
      UNROLL_TWO
      for (int i = within; i - within < count_; i += threads)
        place_eight(r, i, i < count_ ? load(r, i) : EightColumns{});
    }
  }
  /// All lanes together.
  DEVICE_MEMBER void place_eight(int r, int i, const EightColumns& eight) const {
    const int eights = 4 << args_.flush_shift;  // neighbours that hold what shares a scale
    float top = magnitude(eight);
    for (int mask = 1; mask < eights; mask *= 2) top = larger(top, shuffle_xor(top, mask));
    const HalfRange range = half_range(magnitude_bits(top));
    uint32_t high[4];
    [[maybe_unused]] uint32_t low[4];
    float sum = 0;
    UNROLL
    for (int j = 0; j < 4; ++j) {
      const float x = eight.x[2 * j] * range.scale, y = eight.x[2 * j + 1] * range.scale;
      if constexpr (split) {
        const SplitPair pair = split_pair(x, y);
        high[j] = pair.high;
        low[j] = pair.low;
      } else {
        high[j] = f16x2_of(x, y);
      }
      if constexpr (sums) {
        const Vec2 rounded = f32_of_f16x2(high[j]);
        sum += rounded.x + rounded.y;
      }
    }
    if constexpr (sums)
      for (int mask = 1; mask < eights; mask *= 2) sum += shuffle_xor(sum, mask);
    if (i >= count_) return;
    const Shared<uint16_t> to = held_ + (r * stride_ + 8 * i);
    store_as<Words4>(to, {high[0], high[1], high[2], high[3]});
    if constexpr (split) store_as<Words4>(to + rows_ * stride_, {low[0], low[1], low[2], low[3]});
    if ((i & (eights - 1)) != 0) return;
    const Shared<float> note = notes_ + 2 * ((i >> (2 + args_.flush_shift)) * few_even(rows_) + r);
    store_as<Vec2>(note, {sum, range.back});
    if (r == rows_ - 1 && rows_ % 2 == 1) store_as<Vec2>(note + 2, {0, 0});
  }

  const FewTokensArgs& args_;
  int rows_, begin_, count_;
  const float* a_;
  int stride_;
  Shared<uint16_t> held_;
  Shared<float> notes_;
};
template <bool split, bool sums>
DEVICE void hold_rows(const FewTokensArgs& args, int first_row, int rows, int begin, int end,
                      const FewTokensShared& at) {
  RowHolder<split, sums>(args, first_row, rows, begin, end, at).hold();
}

}  // namespace halftone::cuda
