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

/// Columns [begin, end) of `rows` rows of A as f16 in shared memory, each times a power of two, what undoes
/// that, and (`sums`) the sums of the columns that a scale is for; whole for all threads on return. Warps
/// share the rows out: all eight have one row, or each its own.
template <bool split, bool sums>
class RowHolder {
 public:
  DEVICE_MEMBER RowHolder(const FewTokensArgs& args, int first_row, int rows, int begin, int end,
                          const FewTokensShared& at)
      : args_(args),
        rows_(rows),
        row_warps_(rows == 1   ? 8
                   : rows == 2 ? 4
                   : rows <= 4 ? 2
                               : 1),
        begin_(begin),
        count_((end - begin) / 8),
        within_(thread() & (row_warps_ * kWarp - 1)),
        a_(args.a + int64_t{first_row} * args.weights.k + begin),
        stride_(few_tokens_stride(args.round_columns)),
        held_(shared_memory<uint16_t>(static_cast<size_t>(at.held))),
        tops_(shared_memory<float>(static_cast<size_t>(at.tops))),
        backs_(shared_memory<float>(static_cast<size_t>(at.backs))),
        sums_(shared_memory<float>(static_cast<size_t>(at.sums))) {}

  DEVICE_MEMBER void hold() {
    const WeightsView& w = args_.weights;
    const bool plain = args_.wide && w.group == w.taken && begin_ + 8 * count_ <= w.k;
    if (!plain) {
      find_tops([&](int r, int i) { return eight_columns(w, row(r) - begin_, begin_ + 8 * i); });
      place([&](int r, int i) { return eight_columns(w, row(r) - begin_, begin_ + 8 * i); });
    } else if (rows_ == 1 && count_ <= kKept * kFewWarps * kWarp) {
      EightColumns kept[kKept];
      UNROLL
      for (int j = 0; j < kKept; ++j)
        if (eighth(j) < count_) kept[j] = eight_plain_columns(a_, 8 * eighth(j));
      float top = 0;
      UNROLL
      for (int j = 0; j < kKept; ++j)
        if (eighth(j) < count_) top = larger(top, magnitude(kept[j]));
      note_top(0, top);
      sync_block();
      const HalfRange range = range_of(0);
      UNROLL
      for (int j = 0; j < kKept; ++j)
        if (j * kFewWarps * kWarp < count_) place_eight(0, eighth(j), kept[j], range);
    } else {
      find_tops([&](int r, int i) { return eight_plain_columns(row(r), 8 * i); });
      place([&](int r, int i) { return eight_plain_columns(row(r), 8 * i); });
    }
    sync_block();
  }

 private:
  /// Eights of a row of its own that a thread keeps.
  static constexpr int kKept = 2;

  DEVICE_MEMBER int eighth(int j) const { return within_ + j * kFewWarps * kWarp; }
  DEVICE_MEMBER const float* row(int r) const { return a_ + int64_t{r} * args_.weights.k; }
  DEVICE_MEMBER int first() const { return warp() / row_warps_; }
  DEVICE_MEMBER int step() const { return kFewWarps / row_warps_; }

  template <class Load>
  DEVICE_MEMBER void find_tops(const Load& load) {
    for (int r = first(); r < rows_; r += step()) {
      float top = 0;
      UNROLL_FOUR
      for (int i = within_; i < count_; i += row_warps_ * kWarp) top = larger(top, magnitude(load(r, i)));
      note_top(r, top);
    }
    sync_block();
  }
  DEVICE_MEMBER void note_top(int r, float top) {
    top = warp_max(top);
    if (lane() == 0) tops_[r * kFewWarps + warp() % row_warps_] = top;
  }
  DEVICE_MEMBER HalfRange range_of(int r) {
    float top = 0;
    for (int i = 0; i < row_warps_; ++i) top = larger(top, tops_[r * kFewWarps + i]);
    const HalfRange range = half_range(magnitude_bits(top));
    if (within_ == 0) backs_[r] = range.back;
    return range;
  }
  template <class Load>
  DEVICE_MEMBER void place(const Load& load) {
    for (int r = first(); r < rows_; r += step()) {
      const HalfRange range = range_of(r);
      UNROLL_ONE
      for (int i = within_; i - within_ < count_; i += row_warps_ * kWarp)
        place_eight(r, i, i < count_ ? load(r, i) : EightColumns{}, range);
    }
  }
  /// All lanes together.
  DEVICE_MEMBER void place_eight(int r, int i, const EightColumns& eight, const HalfRange& range) {
    float sum = 0;
    if (i < count_) {
      uint32_t high[4];
      [[maybe_unused]] uint32_t low[4];
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
      const Shared<uint16_t> to = held_ + (r * stride_ + 8 * i);
      store_as<Words4>(to, {high[0], high[1], high[2], high[3]});
      if constexpr (split) store_as<Words4>(to + rows_ * stride_, {low[0], low[1], low[2], low[3]});
    }
    if constexpr (sums) {
      const int eights = 4 << args_.flush_shift;  // neighbours that hold what one scale is for
      for (int mask = 1; mask < eights; mask *= 2) sum += shuffle_xor(sum, mask);
      if (i < count_ && (i & (eights - 1)) == 0) {
        const Shared<float> to = sums_ + ((i >> (2 + args_.flush_shift)) * few_even(rows_) + r);
        to[0] = sum;
        if (r % 2 == 0 && r == rows_ - 1) to[1] = 0;
      }
    }
  }

  const FewTokensArgs& args_;
  int rows_, row_warps_, begin_, count_, within_;
  const float* a_;
  int stride_;
  Shared<uint16_t> held_;
  Shared<float> tops_, backs_, sums_;
};
template <bool split, bool sums>
DEVICE void hold_rows(const FewTokensArgs& args, int first_row, int rows, int begin, int end,
                      const FewTokensShared& at) {
  RowHolder<split, sums>(args, first_row, rows, begin, end, at).hold();
}

}  // namespace halftone::cuda
