#pragma once

#include <cmath>

#include "ops/elementwise.h"

namespace halftone {

/// The mask's addend for each score; -infinity for what it hides.
class AttentionMask {
 public:
  AttentionMask(const Operand* operand, const Shape& scores, int64_t causal_past, bool causal, int64_t window)
      : causal_past_(causal_past), causal_(causal), window_(window) {
    if (!operand) return;
    mask_ = plain(*operand);
    keys_ = mask_.shape().back();
    Shape shape = scores;
    shape[3] = keys_;
    strides_ = broadcast_strides(mask_.shape(), shape);
  }

  double operator()(int64_t b, int64_t head, int64_t query, int64_t key) const {
    if (causal_ && key > causal_past_ + query) return -HUGE_VAL;
    if (window_ > 0 && key <= causal_past_ + query - window_) return -HUGE_VAL;
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
};

}  // namespace halftone
