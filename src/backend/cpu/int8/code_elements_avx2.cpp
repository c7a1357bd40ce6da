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

/// 16 places at a time, in words of 4 channels: what a word has too much, the next four places overwrite.
void join(const uint8_t* const* lines, int64_t channels, uint8_t* y, int64_t count) {
  alignas(16) int8_t packed[16];  // where each byte of four places comes from
  for (int64_t i = 0; i < 16; ++i)
    packed[i] = static_cast<int8_t>(i < 4 * channels ? i / channels * 4 + i % channels : -1);
  const __m128i order = _mm_load_si128(reinterpret_cast<const __m128i*>(packed));
  int64_t i = 0;
  for (; i + 28 <= count; i += 16, y += 16 * channels) {  // the last store reaches 12 bytes beyond
    __m128i x[4];
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) x[c] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(lines[c] + i));
    const __m128i low01 = _mm_unpacklo_epi8(x[0], x[1]), high01 = _mm_unpackhi_epi8(x[0], x[1]);
    const __m128i low23 = _mm_unpacklo_epi8(x[2], x[3]), high23 = _mm_unpackhi_epi8(x[2], x[3]);
    const __m128i words[4] = {_mm_unpacklo_epi16(low01, low23), _mm_unpackhi_epi16(low01, low23),
                              _mm_unpacklo_epi16(high01, high23), _mm_unpackhi_epi16(high01, high23)};
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(y + 4 * q * channels), _mm_shuffle_epi8(words[q], order));
  }
  for (; i < count; ++i)
    for (int64_t c = 0; c < channels; ++c) *y++ = lines[c][i];
}

}  // namespace

const CodeElementLoops code_elements_avx2 = {add, multiply, map, blend, encode_by_inverse, decode, join};

}  // namespace halftone::cpu
