#pragma once

// Integer products on AVX2, for gemm_int_avx2.cpp only (gemm_int_loops.h says why all of it is in an unnamed
// namespace).
//
// vpmaddubsw sums two products in 16 bits and saturates. How far codes may be summed before they are widened
// is what decides the speed:
//   - of 4 bits or fewer: eight such sums fit, 8 * 2 * 15 * 127 = 30480, so one widening serves 32 columns
//     (once_eight where each segment is just that: nothing is asked or counted within one);
//   - of 5 to 7 bits: one fits, 2 * 127 * 127 = 32258;
//   - of 8 bits: none; activations have 16 bits then, and vpmaddwd multiplies even and odd columns of a quad.

#include "backend/cpu/gemm/int_avx2_halves.h"

namespace halftone::cpu {
namespace {

enum class Products { once_eight, eight, one, wide };

/// IntRows::other here: the codes in 16 bits, those of a quad in the order 0, 2, 1, 3.
inline int16_t* wide_codes(const IntRows& rows) {
  return reinterpret_cast<int16_t*>(rows.other);
}

/// The sums of one segment of a tile, [kRows][kHalves].
template <Products kProducts, int kBits, int kRows, int kHalves>
struct SegmentSums {
  static constexpr int kQuads = 8 / kBits;
  static constexpr int kEight = 8 / kQuads;  ///< units of eight quads
  __m256i sum[kRows][kHalves];

  static __m256i widened(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

  /// One unit of codes of each half, as bytes.
  struct Quads {
    __m256i at[kHalves][kQuads];
  };
  static Quads next_quads(const std::byte* (&codes)[kHalves], int64_t ahead) {
    Quads quads;
#pragma GCC unroll 4
    for (int h = 0; h < kHalves; ++h) {
      if (ahead != 0 && (kHalves == 1 || h % 2 == 0)) __builtin_prefetch(codes[h] + ahead);
      Avx2::unpack<kBits>(codes[h], quads.at[h]);
      codes[h] += kUnitBytes;
    }
    return quads;
  }

  /// One unit of codes times activations, summed by add(sum, codes, activations).
  template <class Add>
  static void add_unit(__m256i (&sums)[kRows][kHalves], const Quads& quads, const IntRows& rows,
                       const int8_t* a, Add add) {
#pragma GCC unroll 4
    for (int q = 0; q < kQuads; ++q)
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256i quad = broadcast_word(a + r * rows.stride + q * kQuad);
#pragma GCC unroll 4
        for (int h = 0; h < kHalves; ++h) add(sums[r][h], quads.at[h][q], quad);
      }
  }

  template <int kUnits>
  void add_eight(const std::byte* (&codes)[kHalves], const IntRows& rows, const int8_t* a, int64_t ahead) {
    __m256i pairs[kRows][kHalves];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int h = 0; h < kHalves; ++h) pairs[r][h] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int u = 0; u < kUnits; ++u)
      add_unit(pairs, next_quads(codes, ahead), rows, a + u * kQuads * kQuad,
               [](__m256i& pair, __m256i quads, __m256i quad) {
                 add_16(pair, _mm256_maddubs_epi16(quads, quad));
               });
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int h = 0; h < kHalves; ++h) add_32(sum[r][h], widened(pairs[r][h]));
  }

  void add_one(const std::byte* (&codes)[kHalves], const IntRows& rows, const int8_t* a, int64_t ahead) {
    add_unit(sum, next_quads(codes, ahead), rows, a, [](__m256i& one, __m256i quads, __m256i quad) {
      add_32(one, widened(_mm256_maddubs_epi16(quads, quad)));
    });
  }

  void add_wide(const std::byte* (&codes)[kHalves], const IntRows& rows, const int16_t* a, int64_t ahead) {
    const Quads packed = next_quads(codes, ahead);
    __m256i even[kHalves], odd[kHalves];
#pragma GCC unroll 4
    for (int h = 0; h < kHalves; ++h) {
      even[h] = _mm256_and_si256(packed.at[h][0], _mm256_set1_epi16(0xff));
      odd[h] = _mm256_srli_epi16(packed.at[h][0], 8);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m256i first = broadcast_word(a + r * rows.stride);
#pragma GCC unroll 4
      for (int h = 0; h < kHalves; ++h) add_32(sum[r][h], _mm256_madd_epi16(even[h], first));
      const __m256i second = broadcast_word(a + r * rows.stride + 2);
#pragma GCC unroll 4
      for (int h = 0; h < kHalves; ++h) add_32(sum[r][h], _mm256_madd_epi16(odd[h], second));
    }
  }

  /// `units` of codes; `m` is the first row, `k` the first column in the padded order.
  void add(int64_t units, const std::byte* (&codes)[kHalves], const IntRows& rows, int64_t m, int64_t k,
           int64_t ahead) {
    if constexpr (kProducts == Products::wide) {
      const int16_t* a = wide_codes(rows) + m * rows.stride + k;
      for (; units > 0; --units, a += kQuad) add_wide(codes, rows, a, ahead);
    } else {
      const int8_t* a = rows.codes + m * rows.stride + k;
      if constexpr (kProducts == Products::once_eight) {
        add_eight<kEight>(codes, rows, a, ahead);
      } else if constexpr (kProducts == Products::one) {
        for (; units > 0; --units, a += kQuads * kQuad) add_one(codes, rows, a, ahead);
      } else {
        for (; units >= kEight; units -= kEight, a += 8 * kQuad) add_eight<kEight>(codes, rows, a, ahead);
        for (; units > 0; --units, a += kQuads * kQuad) add_eight<1>(codes, rows, a, ahead);
      }
    }
  }
};

/// kRows rows from m0 on times halves of panels whose codes have kBits bits. `ahead`: bytes that are fetched
/// ahead of those read; 0: none.
template <Mode kMode, Products kProducts, int kBits, int kRows, int kHalves>
void tile(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m0,
          HalfPanels<kHalves> at, int64_t ahead) {
  __m256 sum[kRows][kHalves];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int h = 0; h < kHalves; ++h) sum[r][h] = _mm256_setzero_ps();

  const NextPanels<kHalves> next(weights);
  const int64_t units_a_unit = kBits / weights.bits;
  for (int64_t s = 0; s < weights.segment_count; ++s) {
    if (ahead != 0) next.fetch(at, s);
    const IntSegment& segment = weights.segments[s];
    const int32_t* row_sums = rows.sums + s * rows.sums_step + m0;
    SegmentSums<kProducts, kBits, kRows, kHalves> products;
#pragma GCC unroll 4
    for (int h = 0; h < kHalves; ++h) {
      const Start<Avx2, kMode> start(weights, at.panel[h], segment, at.lane[h]);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) products.sum[r][h] = start(row_sums[r]);
    }
    products.add(segment.units * units_a_unit, at.codes, rows, m0, segment.packed, ahead);
#pragma GCC unroll 4
    for (int h = 0; h < kHalves; ++h) {
      const Finish<Avx2, kMode> add(weights, at.panel[h], segment, at.lane[h]);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const float* row_scale =
            has_group_scales<kMode>(rows) ? rows.scales + (m0 + r) * rows.groups + segment.a_group : nullptr;
        sum[r][h] = add(sum[r][h], products.sum[r][h], row_scale, row_sums[r]);
      }
    }
  }
  alignas(32) float result[kHalves][kRows][Avx2::kLanes];
#pragma GCC unroll 4
  for (int h = 0; h < kHalves; ++h)
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) _mm256_store_ps(result[h][r], sum[r][h]);
  for (int h = 0; h < kHalves; ++h)
    if (at.output[h] < weights.n)
      finish(result[h][0], Avx2::kLanes, rows, out, m0, kRows, at.output[h], weights.n);
}

}  // namespace
}  // namespace halftone::cpu
