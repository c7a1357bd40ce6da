#pragma once

// For *_avx2.cpp sources only (see code_tile_loops.h).

#include <immintrin.h>

#include "backend/cpu/int8/code_fixed_avx2.h"
#include "backend/cpu/int8/code_gate_avx2.h"
#include "backend/cpu/int8/code_look_up_avx2.h"
#include "backend/cpu/int8/code_parts_avx2.h"
#include "backend/cpu/int8/code_tile.h"
#include "backend/cpu/store_part_avx2.h"

namespace halftone::cpu {
namespace {

struct CodeFinishAvx2 : CodePartsAvx2, CodeLookUpAvx2, CodeFixedAvx2, CodeGateAvx2 {
  /// Below -2^31 the conversion gives the smallest number.
  static __m256i rounded(__m256 product, const CodeFinish& f) {
    return _mm256_cvtps_epi32(f.large ? _mm256_min_ps(product, _mm256_set1_ps(1e9f)) : product);
  }

  /// kGained: whether there is a gate, and gains behind it.
  template <bool kGained>
  static __m256i ended(__m256i sum, const CodeFinish& f, int64_t output) {
    if constexpr (!kGained) return requantize(sum, f, output);
    const __m256 x = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(f.multipliers + output));
    const __m256 y = gated(x, kGateLanes[static_cast<size_t>(f.gate)]);
    return rounded(_mm256_mul_ps(y, _mm256_loadu_ps(f.below + output)), f);
  }

  static __m256i requantize(__m256i sum, const CodeFinish& f, int64_t output) {
    return f.mantissas ? fixed(sum, f, output) : rounded(scaled(sum, f, output), f);
  }

  /// Both halves of a sum shifted, and the residual of 16 outputs (of which `count` are there) added.
  static void join(__m256i& low, __m256i& high, const CodeFinish& f, int64_t output, const uint8_t* residual,
                   int64_t count) {
    const __m128i codes = load_part(residual, count);
    const __m256i zero = _mm256_set1_epi32(f.residual_zero);
    const auto add = [&](__m256i sum, __m128i eight, const int32_t* factors) {
      const __m256i moved = _mm256_sub_epi32(_mm256_cvtepu8_epi32(eight), zero);
      return _mm256_add_epi32(_mm256_slli_epi32(sum, f.sum_shift), _mm256_mullo_epi32(moved, load(factors)));
    };
    low = add(low, codes, f.residual_factors + output);
    high = add(high, _mm_srli_si128(codes, 8), f.residual_factors + output + 8);
  }

  static __m256 scaled(__m256i sum, const CodeFinish& f, int64_t output) {
    __m256 multiplier = _mm256_loadu_ps(f.multipliers + output);
    if (f.below)
      multiplier = _mm256_blendv_ps(multiplier, _mm256_loadu_ps(f.below + output), _mm256_castsi256_ps(sum));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(sum), multiplier);
  }

  /// Two vectors of 8 sums, already multiplied, as 16 codes in order.
  static __m128i codes_of(__m256i low, __m256i high, const CodeFinish& f) {
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    const __m256i moved = _mm256_adds_epi16(words, _mm256_set1_epi16(static_cast<int16_t>(f.zero)));
    __m128i codes = _mm_packus_epi16(_mm256_castsi256_si128(moved), _mm256_extracti128_si256(moved, 1));
    codes = _mm_max_epu8(codes, _mm_set1_epi8(static_cast<char>(f.lowest)));
    return _mm_min_epu8(codes, _mm_set1_epi8(static_cast<char>(f.highest)));
  }

  /// Rows of 16 sums to codes: row r, of which `count` are there, at out + place * step, its residual at
  /// residual + place * step; place is places[r], or r.
  struct Rows {
    const int32_t* sums;
    int64_t rows;
    const int64_t* places;
    int64_t output, count;
    const uint8_t* residual;
    int64_t step;
    uint8_t* out;
  };

  static void to_codes(const Rows& rows, const CodeFinish& f) {
    if (rows.count < 16 || f.mantissas || f.large)
      return f.gate != Gate::none ? rows_to_codes<true>(rows, f) : rows_to_codes<false>(rows, f);
    if (f.table) return rows_through_table(rows, f);
    f.gate != Gate::none ? pairs_to_codes<Ends::gained>(rows, f) : plain_pairs_to_codes(rows, f);
  }

  /// Whole rows, a few at a time: all codes, then their entries. Together both want too many registers.
  static void rows_through_table(const Rows& rows, const CodeFinish& f) {
    constexpr int64_t kTogether = 16;
    alignas(32) uint8_t made[16 * kTogether];
    for (int64_t first = 0; first < rows.rows; first += kTogether) {
      const int64_t count = rows.rows - first < kTogether ? rows.rows - first : kTogether;
      const auto at = [&](int64_t r) {
        return (rows.places ? rows.places[first + r] : first + r) * rows.step;
      };
      int32_t joined[16 * kTogether];
      const int32_t* sums = rows.sums + 16 * first;
      for (int64_t r = 0; rows.residual && r < count; ++r) {
        __m256i low = load(sums + 16 * r), high = load(sums + 16 * r + 8);
        join(low, high, f, rows.output, rows.residual + at(r), 16);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(joined + 16 * r), low);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(joined + 16 * r + 8), high);
      }
      const Rows plain{rows.residual ? joined : sums, count, nullptr, rows.output, 16, nullptr, 16, made};
      plain_pairs_to_codes(plain, f);
      for (int64_t r = 0; r < count; r += 2) {
        const auto* two = reinterpret_cast<const __m256i*>(made + 16 * r);
        const __m256i codes = look_up(f.table, _mm256_load_si256(two));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(rows.out + at(r)), _mm256_castsi256_si128(codes));
        if (r + 1 < count)
          _mm_storeu_si128(reinterpret_cast<__m128i*>(rows.out + at(r + 1)),
                           _mm256_extracti128_si256(codes, 1));
      }
    }
  }

  /// Any rows, one by one.
  template <bool kGained>
  static void rows_to_codes(const Rows& rows, const CodeFinish& f) {
    for (int64_t r = 0; r < rows.rows; ++r) {
      const int64_t at = (rows.places ? rows.places[r] : r) * rows.step;
      __m256i low = load(rows.sums + 16 * r), high = load(rows.sums + 16 * r + 8);
      if (rows.residual) join(low, high, f, rows.output, rows.residual + at, rows.count);
      low = ended<kGained>(low, f, rows.output);
      high = ended<kGained>(high, f, rows.output + 8);
      __m128i codes = codes_of(low, high, f);
      if (f.table) codes = _mm256_castsi256_si128(look_up(f.table, _mm256_castsi128_si256(codes)));
      store_part(rows.out + at, codes, rows.count);
    }
  }

  static void plain_pairs_to_codes(const Rows& rows, const CodeFinish& f) {
    f.below ? pairs_to_codes<Ends::two_slopes>(rows, f) : pairs_to_codes<Ends::plain>(rows, f);
  }

  /// How a sum ends: by one multiplier, by another where it is negative, by a gate and a gain.
  enum class Ends { plain, two_slopes, gained };

  /// Whole rows under floating requantization, two at a time, with what they share in registers.
  template <Ends kEnds>
  static void pairs_to_codes(const Rows& rows, const CodeFinish& f) {
    const __m256 first = _mm256_loadu_ps(f.multipliers + rows.output);
    const __m256 last = _mm256_loadu_ps(f.multipliers + rows.output + 8);
    const float* others = kEnds == Ends::plain ? f.multipliers : f.below;
    const __m256 first_other = _mm256_loadu_ps(others + rows.output);
    const __m256 last_other = _mm256_loadu_ps(others + rows.output + 8);
    const __m256i zero = _mm256_set1_epi16(static_cast<int16_t>(f.zero));
    const __m256i lowest = _mm256_set1_epi8(static_cast<char>(f.lowest));
    const __m256i highest = _mm256_set1_epi8(static_cast<char>(f.highest));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const Rows all = rows;
    const GateLanes& gate = kGateLanes[static_cast<size_t>(f.gate)];
    const auto times = [&gate](__m256i sum, __m256 multiplier, __m256 other) {
      if constexpr (kEnds == Ends::two_slopes)
        multiplier = _mm256_blendv_ps(multiplier, other, _mm256_castsi256_ps(sum));
      __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), multiplier);
      if constexpr (kEnds == Ends::gained) product = _mm256_mul_ps(gated(product, gate), other);
      return _mm256_cvtps_epi32(product);
    };
    for (int64_t r = 0; r < all.rows; r += 2) {
      const bool both = r + 1 < all.rows;
      const int64_t at = (all.places ? all.places[r] : r) * all.step;
      const int64_t next = both ? (all.places ? all.places[r + 1] : r + 1) * all.step : at;
      const int32_t *a = all.sums + 16 * r, *b = both ? a + 16 : a;
      __m256i a_low = load(a), a_high = load(a + 8), b_low = load(b), b_high = load(b + 8);
      if (all.residual) {
        join(a_low, a_high, f, all.output, all.residual + at, 16);
        join(b_low, b_high, f, all.output, all.residual + next, 16);
      }
      const __m256i words =
          _mm256_packs_epi32(times(a_low, first, first_other), times(a_high, last, last_other));
      const __m256i more =
          _mm256_packs_epi32(times(b_low, first, first_other), times(b_high, last, last_other));
      __m256i codes = _mm256_packus_epi16(_mm256_adds_epi16(words, zero), _mm256_adds_epi16(more, zero));
      codes = _mm256_min_epu8(_mm256_max_epu8(codes, lowest), highest);
      codes = _mm256_permutevar8x32_epi32(codes, order);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(all.out + next), _mm256_extracti128_si256(codes, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(all.out + at), _mm256_castsi256_si128(codes));
    }
  }

  /// `count` of 16 sums as floats.
  static void store_floats(__m256i low, __m256i high, const CodeFinish& f, int64_t output, float* to,
                           int64_t count) {
    const __m256 first = scaled(low, f, output), last = scaled(high, f, output + 8);
    if (count >= 16) {
      _mm256_storeu_ps(to, first);
      _mm256_storeu_ps(to + 8, last);
      return;
    }
    if (count < 8) return store_part_avx2(to, first, count);
    _mm256_storeu_ps(to, first);
    store_part_avx2(to + 8, last, count - 8);
  }
};

}  // namespace
}  // namespace halftone::cpu
