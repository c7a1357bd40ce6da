#pragma once

#include <cmath>

#include "ops/elementwise.h"

namespace halftone {

/// The mask's addend for each score; -infinity for what it hides.
class AttentionMask {
 public:
  /// `valid_keys`: how many keys of each sequence are no padding; the causal frontier ends there then.
  AttentionMask(const Operand* operand, const Shape& scores, int64_t causal_past, bool causal, int64_t window,
                std::span<const int64_t> valid_keys = {})
      : causal_past_(causal_past),
        causal_(causal),
        window_(window),
        valid_keys_(valid_keys),
        queries_(scores[2]) {
    if (!operand) return;
    mask_ = plain(*operand);
    keys_ = mask_.shape().back();
    Shape shape = scores;
    shape[3] = keys_;
    strides_ = broadcast_strides(mask_.shape(), shape);
  }

  double operator()(int64_t b, int64_t head, int64_t query, int64_t key) const {
    int64_t past = causal_past_;
    if (!valid_keys_.empty()) {
      const int64_t valid = valid_keys_[static_cast<size_t>(b)];
      if (key >= valid) return -HUGE_VAL;
      past = valid - queries_;
    }
    if (causal_ && key > past + query) return -HUGE_VAL;
    if (window_ > 0 && key <= past + query - window_) return -HUGE_VAL;
    if (keys_ < 0) return 0;
    if (key >= keys_) return -HUGE_VAL;
    const int64_t at = b * strides_[0] + head * strides_[1] + query * strides_[2] + key * strides_[3];
    if (mask_.dtype() == DType::boolean) return mask_.span<bool>()[static_cast<size_t>(at)] ? 0 : -HUGE_VAL;
    float value;
    load_floats(mask_.view(), at, {&value, 1});
    return value;
  }

 private:
  Tensor mask_;
  int64_t keys_ = -1;
  Strides strides_{};
  int64_t causal_past_;
  bool causal_;
  int64_t window_;
  std::span<const int64_t> valid_keys_;
  int64_t queries_;
};

}  // namespace halftone
