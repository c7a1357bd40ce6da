#pragma once

// Softmax of a tile for four queries side by side; for per-ISA sources only (simd.h).

#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/simd_math.h"

namespace halftone::cpu {
namespace {

#if defined(__AVX512F__)

/// The highest elements, or the sums, of four vectors as Simd::sum() forms them bit for bit: lane q of 128
/// bits has that of vector q, four times.
template <class Join>
[[gnu::always_inline]] inline Float joined_lanes(const Float (&x)[4], Join join) {
  const auto halves = [&](Float a, Float b) {
    return join(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  };
  const Float first = halves(x[0], x[1]), second = halves(x[2], x[3]);
  Float all = join(_mm512_shuffle_f32x4(first, second, 0x88), _mm512_shuffle_f32x4(first, second, 0xdd));
  all = join(all, _mm512_shuffle_ps(all, all, _MM_SHUFFLE(1, 0, 3, 2)));
  return join(all, _mm512_shuffle_ps(all, all, _MM_SHUFFLE(2, 3, 0, 1)));
}
inline Float load_lanes(const float* four) {
  const __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return _mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(_mm_loadu_ps(four)));
}
inline void store_lanes(float* four, Float x) {
  const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  _mm_storeu_ps(four, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, x)));
}

/// weigh() of four queries that see all of [0, padded), without a cap: side by side, for each has to wait for
/// its highest score and its total. Sets their shrink.
inline void weigh_four(const QueryTile& tile, int64_t query, float* scores, int64_t padded) {
  Float top[4], total[4];
  for (int q = 0; q < 4; ++q) {
    top[q] = Simd::load(scores + q * padded);
    for (int64_t t = Simd::kWidth; t < padded; t += Simd::kWidth)
      top[q] = Simd::max(top[q], Simd::load(scores + q * padded + t));
    total[q] = Simd::zero();
  }
  const Float before = load_lanes(tile.highest + query);
  const Float highest = Simd::max(before, joined_lanes(top, Simd::max));
  const Float shift[4] = {
      _mm512_shuffle_f32x4(highest, highest, 0x00), _mm512_shuffle_f32x4(highest, highest, 0x55),
      _mm512_shuffle_f32x4(highest, highest, 0xaa), _mm512_shuffle_f32x4(highest, highest, 0xff)};
  for (int64_t t = 0; t < padded; t += Simd::kWidth)
    for (int q = 0; q < 4; ++q) {
      const Float weight = exp_negative(Simd::sub(Simd::load(scores + q * padded + t), shift[q]));
      Simd::store(scores + q * padded + t, weight);
      total[q] = Simd::add(total[q], weight);
    }
  const __mmask16 same = _mm512_cmp_ps_mask(before, highest, _CMP_EQ_OQ);
  const Float one = Simd::broadcast(1.0f);
  const Float shrink = _mm512_mask_blend_ps(same, exp_negative(Simd::sub(before, highest)), one);
  const Float sums = joined_lanes(total, Simd::add);
  store_lanes(tile.total + query, Simd::add(Simd::mul(load_lanes(tile.total + query), shrink), sums));
  store_lanes(tile.highest + query, highest);
  store_lanes(tile.shrink + query, shrink);
}

#endif

}  // namespace
}  // namespace halftone::cpu
