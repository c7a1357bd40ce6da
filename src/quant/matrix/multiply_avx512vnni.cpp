#include <immintrin.h>

#include "quant/matrix/multiply_loops.h"

namespace halftone {
namespace {

struct Avx512 {
  using Float = __m512;
  static constexpr int kWidth = 16, kRows = 12, kColumns = 32;
  static Float broadcast(float x) { return _mm512_set1_ps(x); }
  static Float load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Float x) { _mm512_storeu_ps(to, x); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace

const MultiplyKernel multiply_avx512vnni{Avx512::kRows, Avx512::kColumns, multiply_tile<Avx512>};

}  // namespace halftone
