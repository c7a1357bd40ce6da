#pragma once

#include <cstdint>

namespace halftone::cpu {

struct SoftmaxLoops {
  /// y = softmax of `rows` rows of `width` floats each.
  void (*rows)(const float* x, float* y, int64_t rows, int64_t width);
};

extern const SoftmaxLoops softmax_avx512vnni_loops;
extern const SoftmaxLoops softmax_avx2_loops;
extern const SoftmaxLoops softmax_neon_loops;

}  // namespace halftone::cpu
