#include <immintrin.h>

#include "quant/matrix/multiply_loops.h"

namespace halftone {
namespace {

struct Avx2 {
  using Float = __m256;
  static constexpr int kWidth = 8, kRows = 6, kColumns = 16;
  static Float broadcast(float x) { return _mm256_set1_ps(x); }
  static Float load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, Float x) { _mm256_storeu_ps(to, x); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace

const MultiplyKernel multiply_avx2{Avx2::kRows, Avx2::kColumns, multiply_tile<Avx2>};

}  // namespace halftone
