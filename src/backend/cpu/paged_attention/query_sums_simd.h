#pragma once

#include "backend/cpu/simd_math.h"

namespace halftone::cpu {
namespace {

#if defined(__AVX2__) && !defined(__AVX512F__)
/// Lane 0 of each half of a: what Simd::sum() makes of `a`, bit for bit, and lanes 1 to 3 the same of b, c
/// and d; halves are of different vectors already.
inline Float sums_of_halves(Float ac, Float bd, Float eg, Float fh) {
  const Float ab = Simd::add(_mm256_unpacklo_ps(ac, bd), _mm256_unpackhi_ps(ac, bd));
  const Float cd = Simd::add(_mm256_unpacklo_ps(eg, fh), _mm256_unpackhi_ps(eg, fh));
  const Float low = _mm256_shuffle_ps(ab, cd, _MM_SHUFFLE(1, 0, 1, 0));
  const Float high = _mm256_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 2, 3, 2));
  return Simd::add(low, high);
}
inline Float halves_added(Float low, Float high) {
  return Simd::add(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}
/// Simd::sum() of each, bit for bit, in 21 instructions and not 48: scores of four queries and two keys.
inline void store_sums(const Float (&sums)[4][2], float* scores, int64_t stride) {
  const Float all =
      sums_of_halves(halves_added(sums[0][0], sums[2][0]), halves_added(sums[0][1], sums[2][1]),
                     halves_added(sums[1][0], sums[3][0]), halves_added(sums[1][1], sums[3][1]));
  const __m128 first = _mm256_castps256_ps128(all), second = _mm256_extractf128_ps(all, 1);
  _mm_storel_pi(reinterpret_cast<__m64*>(scores), first);
  _mm_storeh_pi(reinterpret_cast<__m64*>(scores + stride), first);
  _mm_storel_pi(reinterpret_cast<__m64*>(scores + 2 * stride), second);
  _mm_storeh_pi(reinterpret_cast<__m64*>(scores + 3 * stride), second);
}
#elif defined(__AVX512F__)
/// Simd::sum() of each, bit for bit, in 45 instructions and not 128: scores of four queries and four keys.
inline void store_sums(const Float (&sums)[4][4], float* scores, int64_t stride) {
  Float fours[4];  // of key t: four lanes each of queries 0 to 3
  for (int t = 0; t < 4; ++t) {
    const auto eights = [&](int q) {
      return Simd::add(_mm512_shuffle_f32x4(sums[q][t], sums[q + 1][t], 0x44),
                       _mm512_shuffle_f32x4(sums[q][t], sums[q + 1][t], 0xee));
    };
    const Float first = eights(0), second = eights(2);
    fours[t] =
        Simd::add(_mm512_shuffle_f32x4(first, second, 0x88), _mm512_shuffle_f32x4(first, second, 0xdd));
  }
  const auto twos = [&](int t) {
    return Simd::add(_mm512_shuffle_ps(fours[t], fours[t + 1], _MM_SHUFFLE(1, 0, 1, 0)),
                     _mm512_shuffle_ps(fours[t], fours[t + 1], _MM_SHUFFLE(3, 2, 3, 2)));
  };
  const Float first = twos(0), second = twos(2);
  const Float all = Simd::add(_mm512_shuffle_ps(first, second, _MM_SHUFFLE(2, 0, 2, 0)),
                              _mm512_shuffle_ps(first, second, _MM_SHUFFLE(3, 1, 3, 1)));
  _mm_storeu_ps(scores, _mm512_castps512_ps128(all));
  _mm_storeu_ps(scores + stride, _mm512_extractf32x4_ps(all, 1));
  _mm_storeu_ps(scores + 2 * stride, _mm512_extractf32x4_ps(all, 2));
  _mm_storeu_ps(scores + 3 * stride, _mm512_extractf32x4_ps(all, 3));
}
#endif

}  // namespace
}  // namespace halftone::cpu
