#pragma once

#include <cstdint>

namespace halftone::cpu {

struct SoftmaxLoops {
  /// y = softmax of `rows` rows of `width` floats each.
  void (*rows)(const float* x, float* y, int64_t rows, int64_t width);
  /// The logarithms of that.
  void (*log_rows)(const float* x, float* y, int64_t rows, int64_t width);
  /// The one or the other of x[i + r step] over all r below `size`, for each i below `columns`.
  void (*columns)(bool logarithm, const float* x, float* y, int64_t size, int64_t step, int64_t columns);
};

extern const SoftmaxLoops softmax_avx512vnni_loops;
extern const SoftmaxLoops softmax_avx2_loops;
extern const SoftmaxLoops softmax_neon_loops;

}  // namespace halftone::cpu
