#pragma once

#include "backend/cpu/simd_math.h"

namespace halftone::cpu {
namespace {

template <int kQueries, int kKeys>
constexpr bool kHasSumsOfAll = false;
#if defined(__AVX2__)
/// Sums of four queries and two keys.
inline void store_all(__m256 all, float* scores, int64_t stride) {
  const __m128 first = _mm256_castps256_ps128(all), second = _mm256_extractf128_ps(all, 1);
  _mm_storel_pi(reinterpret_cast<__m64*>(scores), first);
  _mm_storeh_pi(reinterpret_cast<__m64*>(scores + stride), first);
  _mm_storel_pi(reinterpret_cast<__m64*>(scores + 2 * stride), second);
  _mm_storeh_pi(reinterpret_cast<__m64*>(scores + 3 * stride), second);
}
#endif
#if defined(__AVX512F__)
template <>
constexpr bool kHasSumsOfAll<4, 4> = true;
/// The sum of each vector's lanes in the order of Simd::sum(), in 45 instructions and not 128: scores of four
/// queries and four keys, lane 4 q + t. `add` may take the lanes for other numbers than floats.
template <class Add>
[[gnu::always_inline]] inline Float sums_of_all(const Float (&sums)[4][4], Add add) {
  Float fours[4];  // of key t: four lanes each of queries 0 to 3
  for (int t = 0; t < 4; ++t) {
    const auto eights = [&](int q) {
      return add(_mm512_shuffle_f32x4(sums[q][t], sums[q + 1][t], 0x44),
                 _mm512_shuffle_f32x4(sums[q][t], sums[q + 1][t], 0xee));
    };
    const Float first = eights(0), second = eights(2);
    fours[t] = add(_mm512_shuffle_f32x4(first, second, 0x88), _mm512_shuffle_f32x4(first, second, 0xdd));
  }
  const auto twos = [&](int t) {
    return add(_mm512_shuffle_ps(fours[t], fours[t + 1], _MM_SHUFFLE(1, 0, 1, 0)),
               _mm512_shuffle_ps(fours[t], fours[t + 1], _MM_SHUFFLE(3, 2, 3, 2)));
  };
  const Float first = twos(0), second = twos(2);
  return add(_mm512_shuffle_ps(first, second, _MM_SHUFFLE(2, 0, 2, 0)),
             _mm512_shuffle_ps(first, second, _MM_SHUFFLE(3, 1, 3, 1)));
}
/// The same of two keys: lanes 4 q + 2 h + t hold two halves h of a sum.
template <>
constexpr bool kHasSumsOfAll<4, 2> = true;
template <class Add>
[[gnu::always_inline]] inline __m256 sums_of_all(const Float (&sums)[4][2], Add add) {
  const auto eights = [&](int t, int q) {
    return add(_mm512_shuffle_f32x4(sums[q][t], sums[q + 1][t], 0x44),
               _mm512_shuffle_f32x4(sums[q][t], sums[q + 1][t], 0xee));
  };
  Float fours[2];
  for (int t = 0; t < 2; ++t) {
    const Float first = eights(t, 0), second = eights(t, 2);
    fours[t] = add(_mm512_shuffle_f32x4(first, second, 0x88), _mm512_shuffle_f32x4(first, second, 0xdd));
  }
  const Float twos = add(_mm512_unpacklo_ps(fours[0], fours[1]), _mm512_unpackhi_ps(fours[0], fours[1]));
  const Float all = add(twos, _mm512_shuffle_ps(twos, twos, _MM_SHUFFLE(1, 0, 3, 2)));
  return _mm512_castps512_ps256(
      _mm512_permutexvar_ps(_mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13), all));
}
inline void store_all(Float all, float* scores, int64_t stride) {
  _mm_storeu_ps(scores, _mm512_castps512_ps128(all));
  _mm_storeu_ps(scores + stride, _mm512_extractf32x4_ps(all, 1));
  _mm_storeu_ps(scores + 2 * stride, _mm512_extractf32x4_ps(all, 2));
  _mm_storeu_ps(scores + 3 * stride, _mm512_extractf32x4_ps(all, 3));
}
#elif defined(__AVX2__)
template <>
constexpr bool kHasSumsOfAll<4, 2> = true;
/// The sum of each vector's lanes in the order of Simd::sum(), in 21 instructions and not 48: scores of four
/// queries and two keys, two lanes each. `add` may take the lanes for other numbers than floats.
template <class Add>
[[gnu::always_inline]] inline Float sums_of_all(const Float (&sums)[4][2], Add add) {
  const auto halves = [&](Float low, Float high) {
    return add(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
  };
  const auto pairs = [&](Float a, Float b) {
    return add(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
  };
  const Float first = pairs(halves(sums[0][0], sums[2][0]), halves(sums[0][1], sums[2][1]));
  const Float second = pairs(halves(sums[1][0], sums[3][0]), halves(sums[1][1], sums[3][1]));
  return add(_mm256_shuffle_ps(first, second, _MM_SHUFFLE(1, 0, 1, 0)),
             _mm256_shuffle_ps(first, second, _MM_SHUFFLE(3, 2, 3, 2)));
}
#endif

/// The sum of each vector's lanes, Simd::sum() of it bit for bit.
template <int kQueries, int kKeys>
[[gnu::always_inline]] inline void store_sums(const Float (&sums)[kQueries][kKeys], float* scores,
                                              int64_t stride) {
  if constexpr (kHasSumsOfAll<kQueries, kKeys>) {
    store_all(sums_of_all(sums, [](Float a, Float b) { return Simd::add(a, b); }), scores, stride);
  } else {
    for (int q = 0; q < kQueries; ++q)
      for (int t = 0; t < kKeys; ++t) scores[q * stride + t] = Simd::sum(sums[q][t]);
  }
}

}  // namespace
}  // namespace halftone::cpu
