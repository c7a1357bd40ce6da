#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/tensor.h"
#include "ops/elementwise.h"

namespace halftone::cpu {

/// What is added to the scores of one head; keys beyond the mask's last are hidden.
class HeadMask {
 public:
  HeadMask() = default;
  HeadMask(const float* added, const bool* seen, int64_t step, int64_t keys)
      : added_(added), seen_(seen), step_(step), keys_(keys) {}

  bool is_none() const { return !added_ && !seen_; }

  /// scores [rows, keys], those of queries from `first_row` on. What is hidden becomes -infinity, be it NaN.
  void hide(float* scores, int64_t first_row, int64_t rows, int64_t keys) const {
    if (is_none()) return;
    const int64_t known = std::min(keys, keys_);
    for (int64_t row = 0; row < rows; ++row, scores += keys) {
      const int64_t at = (first_row + row) * step_;
      if (added_)
        for (int64_t k = 0; k < known; ++k)
          scores[k] = added_[at + k] == -HUGE_VALF ? -HUGE_VALF : scores[k] + added_[at + k];
      else
        for (int64_t k = 0; k < known; ++k) scores[k] = seen_[at + k] ? scores[k] : -HUGE_VALF;
      std::fill(scores + known, scores + keys, -HUGE_VALF);
    }
  }

 private:
  const float* added_ = nullptr;
  const bool* seen_ = nullptr;
  int64_t step_ = 0;  ///< from one query's row to the next's
  int64_t keys_ = 0;
};

/// A mask (bool: true is seen; f32: added) that broadcasts to scores [batch, heads, queries, keys] but for
/// its last axis, which may be shorter. Without one, hides nothing.
class ScoreMask {
 public:
  ScoreMask() = default;
  ScoreMask(const TensorView& mask, Shape scores) : mask_(mask), keys_(mask.shape.back()) {
    scores[3] = keys_;
    strides_ = broadcast_strides(mask.shape, scores);
  }

  HeadMask of(int64_t batch, int64_t head) const {
    if (!mask_.data) return {};
    const int64_t at = batch * strides_[0] + head * strides_[1];
    if (mask_.dtype == DType::boolean) return {nullptr, mask_.span<bool>().data() + at, strides_[2], keys_};
    return {mask_.span<float>().data() + at, nullptr, strides_[2], keys_};
  }

 private:
  TensorView mask_;
  int64_t keys_ = 0;
  Strides strides_{};
};

/// A bit for each of up to 64 rows whose scores are all -infinity.
inline uint64_t blind_rows(const float* scores, int64_t rows, int64_t keys) {
  uint64_t blind = 0;
  for (int64_t row = 0; row < rows; ++row, scores += keys)
    if (std::all_of(scores, scores + keys, [](float score) { return score == -HUGE_VALF; }))
      blind |= uint64_t{1} << row;
  return blind;
}

}  // namespace halftone::cpu
