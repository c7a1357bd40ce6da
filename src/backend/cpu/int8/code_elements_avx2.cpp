#include <immintrin.h>

#include "backend/cpu/int8/code_elements_loops.h"
#include "backend/cpu/int8/code_finish_avx2.h"

namespace halftone::cpu {
namespace {

void map(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t count) {
  int64_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), CodeFinishAvx2::look_up(table, codes));
  }
  map_plain(table, x + i, y + i, count - i);
}

/// By the inverse of the scale, which is exact but where the quotient lies so near the middle between two
/// codes that its last bits decide (or is no number): those stretches are divided.
void encode_by_inverse(const float* x, float scale, int32_t zero, uint8_t* y, int64_t count) {
  const bool is_usual = scale > 1e-30f && scale < 1e30f;  // so is the inverse
  const __m256 inverse = _mm256_set1_ps(is_usual ? 1.0f / scale : 0.0f), sign = _mm256_set1_ps(-0.0f);
  // Quotients within 1024 are at most 2.5e-4 wrong; those beyond are codes 0 or 255 anyhow.
  const __m256 nearly_half = _mm256_set1_ps(0.4997f), large = _mm256_set1_ps(1e6f);
  const __m256i moved = _mm256_set1_epi16(static_cast<int16_t>(zero));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  int64_t i = 0;
  for (; is_usual && i + 32 <= count; i += 32) {
    __m256i codes[4];
    __m256 undecided = _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const __m256 quotient = _mm256_mul_ps(_mm256_loadu_ps(x + i + 8 * v), inverse);
      const __m256 whole = _mm256_round_ps(quotient, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
      const __m256 apart = _mm256_andnot_ps(sign, _mm256_sub_ps(quotient, whole));
      undecided = _mm256_or_ps(undecided, _mm256_cmp_ps(apart, nearly_half, _CMP_NLE_UQ));
      codes[v] = _mm256_cvtps_epi32(_mm256_min_ps(quotient, large));
    }
    if (_mm256_movemask_ps(undecided) != 0) {
      encode(x + i, scale, zero, y + i, 32);
      continue;
    }
    const __m256i low = _mm256_adds_epi16(_mm256_packs_epi32(codes[0], codes[1]), moved);
    const __m256i high = _mm256_adds_epi16(_mm256_packs_epi32(codes[2], codes[3]), moved);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i),
                        _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
  }
  encode(x + i, scale, zero, y + i, count - i);
}

}  // namespace

const CodeElementLoops code_elements_avx2 = {add, multiply, map, blend, encode_by_inverse, decode};

}  // namespace halftone::cpu
