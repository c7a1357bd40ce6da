#pragma once

// Softmax of the scores of 32 tokens for at most four queries side by side. Weights of values in
// KvOrder::fours come as codes of one byte, or of two where one is large; for per-ISA sources only (simd.h).

#include "backend/cpu/paged_attention/weigh_simd.h"

namespace halftone::cpu {
namespace {

#if defined(__AVX512F__)

static_assert(kFoursTokens == 2 * Simd::kWidth);

/// Scales of the values that a query sees, times 255 over the largest of them.
struct ValueSteps {
  Float steps[2];
  float largest;  ///< NaN where one is

  ValueSteps(const float* scales, __mmask32 seen) {
    const Float first = _mm512_maskz_loadu_ps(static_cast<__mmask16>(seen), scales);
    const Float second = _mm512_maskz_loadu_ps(static_cast<__mmask16>(seen >> 16), scales + 16);
    largest = Simd::highest(Simd::max(first, second));
    if (_mm512_cmp_ps_mask(first, second, _CMP_UNORD_Q)) largest = __builtin_nanf("");
    const Float inverse = Simd::broadcast(largest > 0x1p-100f ? 255 / largest : 0.0f);
    steps[0] = Simd::mul(first, inverse);
    steps[1] = Simd::mul(second, inverse);
  }
};

/// A weight of one byte is off by 2^-9 of the largest of its tile, where a value is off by 2^-8 of the
/// largest of its row. It is enough where no weight of the tile is more than this share of all so far.
constexpr float kCoarseShare = 1.0f / 16;

/// Weights times scales of values as factors * (high + low / 256). low is there where any_low.
template <int kQueries>
struct FoursWeights {
  uint8_t high[kQueries][kFoursTokens];
  uint8_t low[kQueries][kFoursTokens];
  float factors[4], shrinks[4];  ///< shrinks: of sums so far
  bool any_low;

  /// Of scores. Changes highest and total of the queries. Calls between() once a query.
  template <class Between>
  [[gnu::always_inline]] void set(const QueryTile& tile, int64_t query, Float (&scores)[kQueries][2],
                                  const Seen<kQueries>& tokens, const float* scales, Between between) {
    __mmask32 seen[kQueries];
    Float each[4];
    const Float hidden = Simd::broadcast(-__builtin_inff());
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      seen[q] = mask(tokens.begins[q], tokens.ends[q]);
      for (int v = 0; v < 2; ++v)
        scores[q][v] = _mm512_mask_blend_ps(static_cast<__mmask16>(seen[q] >> 16 * v), hidden, scores[q][v]);
      each[q] = Simd::max(scores[q][0], scores[q][1]);
    }
    fill_up(each);
    // Never -infinity, which minus itself is NaN.
    const Float top = Simd::max(Simd::broadcast(-0x1p127f), joined_lanes(each, Simd::max));
    const Float before = load(tile.highest + query), highest = Simd::max(before, top);
    const Float share = exp_negative(Simd::sub(top, highest));
    const Float shrink = exp_negative(Simd::sub(before, highest));

    const Float shift[4] = {_mm512_shuffle_f32x4(top, top, 0x00), _mm512_shuffle_f32x4(top, top, 0x55),
                            _mm512_shuffle_f32x4(top, top, 0xaa), _mm512_shuffle_f32x4(top, top, 0xff)};
    alignas(16) float largest[4] = {};
    ValueSteps steps(scales, seen[0]);
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      between();
      for (Float& score : scores[q]) score = exp_negative(Simd::sub(score, shift[q]));
      each[q] = Simd::add(scores[q][0], scores[q][1]);
      if (q > 0 && seen[q] != seen[q - 1]) steps = {scales, seen[q]};
      for (int v = 0; v < 2; ++v) {
        scores[q][v] = Simd::mul(scores[q][v], steps.steps[v]);
        store_bytes(high[q], v, _mm512_cvtps_epi32(scores[q][v]));
      }
      largest[q] = steps.largest;
    }
    fill_up(each);
    const Float sum = Simd::mul(joined_lanes(each, Simd::add), share);
    const Float total = Simd::fma(load(tile.total + query), shrink, sum);
    store(tile.highest + query, highest);
    store(tile.total + query, total);
    store(shrinks, shrink);
    store(factors, Simd::mul(Simd::mul(share, load(largest)), Simd::broadcast(1.0f / 255)));

    const auto fine = static_cast<unsigned>(
        _mm512_cmp_ps_mask(share, Simd::mul(total, Simd::broadcast(kCoarseShare)), _CMP_GT_OQ));
    any_low = (fine & ((1u << 4 * kQueries) - 1)) != 0;
    if (!any_low) return;
    for (int q = 0; q < kQueries; ++q)
      for (int v = 0; v < 2; ++v) {
        const __m512i code = _mm512_cvtps_epi32(Simd::mul(scores[q][v], Simd::broadcast(256.0f)));
        const bool own = fine >> 4 * q & 1;
        if (own) store_bytes(high[q], v, _mm512_srli_epi32(code, 8));
        store_bytes(low[q], v, own ? _mm512_and_si512(code, _mm512_set1_epi32(255)) : _mm512_setzero_si512());
      }
  }
  /// So that low is added to sums that have had high.
  void turn_to_low() {
    for (int q = 0; q < kQueries; ++q) {
      factors[q] /= 256;
      shrinks[q] = 1;
    }
  }

 private:
  static constexpr __mmask8 kThere = (1 << kQueries) - 1;
  static __mmask32 mask(int64_t begin, int64_t end) {
    if (begin >= end) return 0;
    return static_cast<__mmask32>((uint64_t{1} << end) - (uint64_t{1} << begin));
  }
  /// Lanes of 128 bits of queries that are not there are those of the first.
  static void fill_up(Float (&each)[4]) {
    for (int q = kQueries; q < 4; ++q) each[q] = each[0];
  }
  static Float load(const float* numbers) {
    const __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    return _mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(_mm_maskz_loadu_ps(kThere, numbers)));
  }
  static void store(float* numbers, Float x) {
    const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm_mask_storeu_ps(numbers, kThere, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, x)));
  }
  static void store_bytes(uint8_t* to, int v, __m512i codes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to) + v, _mm512_cvtusepi32_epi8(codes));
  }
};

#endif

}  // namespace
}  // namespace halftone::cpu
