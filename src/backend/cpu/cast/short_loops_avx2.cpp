#include <cstring>
#include <immintrin.h>

#include "backend/cpu/cast/short_loops.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kAtOnce = 8;

/// to = convert(from), eight at a time; the last few by way of a whole eight.
template <class From, class To, class Convert>
void each_eight(const From* from, To* to, int64_t count, Convert convert) {
  int64_t i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce) convert(from + i, to + i);
  if (i == count) return;
  From last[kAtOnce] = {};
  To made[kAtOnce];
  const auto left = static_cast<size_t>(count - i);
  std::memcpy(last, from + i, left * sizeof(From));
  convert(last, made);
  std::memcpy(to + i, made, left * sizeof(To));
}

__m128i load_short(const uint16_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
void store_short(uint16_t* to, __m128i x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), x);
}

void widen_half(const uint16_t* from, float* to, int64_t count) {
  each_eight(from, to, count,
             [](const uint16_t* x, float* y) { _mm256_storeu_ps(y, _mm256_cvtph_ps(load_short(x))); });
}

void widen_bfloat(const uint16_t* from, float* to, int64_t count) {
  each_eight(from, to, count, [](const uint16_t* x, float* y) {
    const __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(load_short(x)), 16);
    _mm256_storeu_ps(y, _mm256_castsi256_ps(wide));
  });
}

void round_to_half(const float* from, uint16_t* to, int64_t count) {
  each_eight(from, to, count, [](const float* x, uint16_t* y) {
    store_short(y, _mm256_cvtps_ph(_mm256_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT));
  });
}

void round_to_bfloat(const float* from, uint16_t* to, int64_t count) {
  each_eight(from, to, count, [](const float* x, uint16_t* y) {
    const __m256 numbers = _mm256_loadu_ps(x);
    const __m256i bits = _mm256_castps_si256(numbers), high = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(numbers, numbers, _CMP_UNORD_Q));
    const __m256i made = _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), quiet, is_nan);
    store_short(y, _mm_packus_epi32(_mm256_castsi256_si128(made), _mm256_extracti128_si256(made, 1)));
  });
}

}  // namespace

const ShortLoops short_loops_avx2 = {widen_half, widen_bfloat, round_to_half, round_to_bfloat};

}  // namespace halftone::cpu
