#include <immintrin.h>

#include "backend/cpu/int8/code_elements_loops.h"
#include "backend/cpu/int8/code_finish_avx512.h"

namespace halftone::cpu {
namespace {

void map(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t count) {
  int64_t i = 0;
  for (; i + 64 <= count; i += 64)
    _mm512_storeu_si512(y + i, CodeFinishAvx512::look_up(table, _mm512_loadu_si512(x + i)));
  map_plain(table, x + i, y + i, count - i);
}

/// By the inverse of the scale, which is exact but where the quotient lies so near the middle between two
/// codes that its last bits decide (or is no number): those vectors are divided.
void encode_by_inverse(const float* x, float scale, int32_t zero, uint8_t* y, int64_t count) {
  const bool is_usual = scale > 1e-30f && scale < 1e30f;  // so is the inverse
  const __m512 inverse = _mm512_set1_ps(is_usual ? 1.0f / scale : 0.0f);
  // Quotients within 1024 are at most 2.5e-4 wrong; those beyond are codes 0 or 255 anyhow.
  const __m512 nearly_half = _mm512_set1_ps(0.4997f), large = _mm512_set1_ps(1e6f);
  const __m512i moved = _mm512_set1_epi32(zero), none = _mm512_setzero_si512();
  int64_t i = 0;
  for (; is_usual && i + 16 <= count; i += 16) {
    const __m512 quotient = _mm512_mul_ps(_mm512_loadu_ps(x + i), inverse);
    const __m512 apart = _mm512_sub_ps(quotient, _mm512_roundscale_ps(quotient, 0x08));
    if (_mm512_cmp_ps_mask(_mm512_abs_ps(apart), nearly_half, _CMP_NLE_UQ)) {
      encode(x + i, scale, zero, y + i, 16);
      continue;
    }
    const __m512i codes = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_min_ps(quotient, large)), moved);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i),
                     _mm512_cvtusepi32_epi8(_mm512_max_epi32(codes, none)));
  }
  encode(x + i, scale, zero, y + i, count - i);
}

}  // namespace

const CodeElementLoops code_elements_avx512vnni = {add, multiply, map, blend, encode_by_inverse, decode};

}  // namespace halftone::cpu
