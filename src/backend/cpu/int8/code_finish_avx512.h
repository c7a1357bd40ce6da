#pragma once

// For *_avx512vnni.cpp and *_amx.cpp sources only (see code_tile_loops.h).

#include <immintrin.h>

#include "backend/cpu/int8/code_gate_avx512.h"
#include "backend/cpu/int8/code_tile.h"

namespace halftone::cpu {
namespace {

struct CodeFinishAvx512 : CodeGateAvx512 {
  /// multiply_fixed() on 16 lanes.
  static __m512i multiply_fixed(__m512i x, __m512i mantissa, __m512i shift) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i left = _mm512_max_epi32(shift, zero);
    const __m512i right = _mm512_max_epi32(_mm512_sub_epi32(zero, shift), zero);
    const __m512i limit = _mm512_srlv_epi32(_mm512_set1_epi32(0x7fffffff), left);
    x = _mm512_min_epi32(_mm512_max_epi32(x, _mm512_sub_epi32(zero, limit)), limit);
    x = _mm512_sllv_epi32(x, left);
    const __m512i half = _mm512_set1_epi64(int64_t{1} << 30);
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(x, mantissa), half);
    const __m512i odd =
        _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(mantissa, 32)), half);
    const __m512i high =
        _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
    const __m512i mask =
        _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), right), _mm512_set1_epi32(1));
    const __m512i threshold = _mm512_sub_epi32(_mm512_srli_epi32(mask, 1), _mm512_srai_epi32(high, 31));
    const __mmask16 up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(high, mask), threshold);
    const __m512i down = _mm512_srav_epi32(high, right);
    return _mm512_mask_add_epi32(down, up, down, _mm512_set1_epi32(1));
  }

  /// What the sums of a panel become before they are packed: a rounded product,
  struct Product {
    __m512 multiplier;
    static Product at(const CodeFinish& f, int64_t output) {
      return {_mm512_loadu_ps(f.multipliers + output)};
    }
    __m512 of(__m512i sum) const { return _mm512_mul_ps(_mm512_cvtepi32_ps(sum), multiplier); }
    __m512i operator()(__m512i sum, const CodeFinish&) const { return _mm512_cvtps_epi32(of(sum)); }
  };
  /// or that of its gated number and a gain.
  struct GainedProduct {
    Product product;
    __m512 gain;
    static GainedProduct at(const CodeFinish& f, int64_t output) {
      return {Product::at(f, output), _mm512_loadu_ps(f.below + output)};
    }
    __m512i operator()(__m512i sum, const CodeFinish& f) const {
      const GatePolynomial& by = kGatePolynomials[static_cast<size_t>(f.gate)];
      const __m512 x = _mm512_mul_ps(gated(product.of(sum), by), gain);
      return _mm512_cvtps_epi32(f.large ? _mm512_min_ps(x, _mm512_set1_ps(1e9f)) : x);
    }
  };

  static __m512i requantize(__m512i sum, const CodeFinish& f, int64_t output) {
    if (f.gate != Gate::none) return GainedProduct::at(f, output)(sum, f);
    if (f.mantissas) {
      __m512i mantissa = _mm512_loadu_si512(f.mantissas + output);
      __m512i shift = _mm512_loadu_si512(f.shifts + output);
      if (f.mantissas_below) {
        const __mmask16 negative = _mm512_movepi32_mask(sum);
        mantissa = _mm512_mask_loadu_epi32(mantissa, negative, f.mantissas_below + output);
        shift = _mm512_mask_loadu_epi32(shift, negative, f.shifts_below + output);
      }
      return multiply_fixed(sum, mantissa, shift);
    }
    const __m512 product = scaled(sum, f, output);  // below -2^31 the conversion gives the smallest number
    return _mm512_cvtps_epi32(f.large ? _mm512_min_ps(product, _mm512_set1_ps(1e9f)) : product);
  }

  /// The sum shifted, and the residual of 16 outputs (of which `count` are there) added.
  static __m512i joined(__m512i sum, const CodeFinish& f, int64_t output, const uint8_t* residual,
                        int64_t count) {
    const __mmask16 mask = static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1);
    const __m512i codes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, residual));
    const __m512i moved = _mm512_sub_epi32(codes, _mm512_set1_epi32(f.residual_zero));
    const __m512i product = _mm512_mullo_epi32(moved, _mm512_loadu_si512(f.residual_factors + output));
    return _mm512_add_epi32(_mm512_slli_epi32(sum, static_cast<unsigned>(f.sum_shift)), product);
  }

  static __m512 scaled(__m512i sum, const CodeFinish& f, int64_t output) {
    __m512 multiplier = _mm512_loadu_ps(f.multipliers + output);
    if (f.below) multiplier = _mm512_mask_loadu_ps(multiplier, _mm512_movepi32_mask(sum), f.below + output);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(sum), multiplier);
  }

  /// 64 codes through a table of 256.
  static __m512i look_up(const uint8_t* table, __m512i codes) {
    const __m512i low =
        _mm512_permutex2var_epi8(_mm512_loadu_si512(table), codes, _mm512_loadu_si512(table + 64));
    const __m512i high =
        _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), codes, _mm512_loadu_si512(table + 192));
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high);
  }

  /// Up to four vectors of 16 sums, already multiplied, as 64 codes in order.
  template <int kPanels>
  static __m512i codes_of(const __m512i (&x)[kPanels], const CodeFinish& f) {
    const __m512i a = x[0], b = x[kPanels > 1 ? 1 : 0];
    const __m512i c = x[kPanels > 2 ? 2 : 0], d = x[kPanels > 3 ? 3 : 0];
    const __m512i zero = _mm512_set1_epi16(static_cast<int16_t>(f.zero));
    const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
    const __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i codes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(ab, cd));
    codes = _mm512_max_epu8(codes, _mm512_set1_epi8(static_cast<char>(f.lowest)));
    codes = _mm512_min_epu8(codes, _mm512_set1_epi8(static_cast<char>(f.highest)));
    return f.table ? look_up(f.table, codes) : codes;
  }

  static void store_codes(uint8_t* to, __m512i codes, int64_t count) {
    if (count == 64)
      _mm512_storeu_si512(to, codes);
    else
      _mm512_mask_storeu_epi8(to, (uint64_t{1} << count) - 1, codes);
  }

  /// Whether PlainFinish does what `f` asks for: a float multiplier an output, and no residual.
  static bool is_plain(const CodeFinish& f) {
    return !f.mantissas && !f.below && !f.large && !f.residual_factors;
  }

  /// Codes of kPanels panels (1 or 2) as the first of a vector.
  template <int kPanels>
  static __m512i lane(const uint8_t* from) {
    return kPanels == 1 ? _mm512_castsi128_si512(_mm_load_si128(reinterpret_cast<const __m128i*>(from)))
                        : _mm512_castsi256_si512(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
  }

  /// Packs the sums of several rows at once where they have few panels.
  template <int kPanels, class Products>
  struct PackedFinish {
    static constexpr int kTogether = kPanels == 1 ? 4 : kPanels == 2 ? 2 : 1;
    CodeFinish finish;
    Products products[kPanels];
    PackedFinish(const CodeFinish& f, int64_t output) : finish(f) {
      for (int p = 0; p < kPanels; ++p) products[p] = Products::at(f, output + p * kCodePanel);
    }
    /// to(r): where row r lies; `adjacent`: right behind row r - 1.
    template <int kRows, class To>
    void store_rows(const __m512i (&sums)[kRows][kPanels], To to, int64_t count, bool adjacent) const {
      constexpr int kWhole = kRows / kTogether * kTogether;
      for (int r = 0; r < kWhole; r += kTogether) store_some<kTogether>(sums + r, r, to, count, adjacent);
      if constexpr (kWhole < kRows) store_some<kRows - kWhole>(sums + kWhole, kWhole, to, count, false);
    }

   private:
    template <int kRows, class To>
    void store_some(const __m512i (*sums)[kPanels], int first, To to, int64_t count, bool adjacent) const {
      __m512i x[kRows * kPanels];
      for (int r = 0; r < kRows; ++r)
        for (int p = 0; p < kPanels; ++p) x[r * kPanels + p] = products[p](sums[r][p], finish);
      const __m512i codes = codes_of(x, finish);
      if constexpr (kRows == 1) return store_codes(to(first), codes, count);
      if (adjacent && kRows * kPanels == 4) return _mm512_storeu_si512(to(first), codes);
      alignas(64) uint8_t row[64];
      _mm512_store_si512(row, codes);
      for (int r = 0; r < kRows; ++r)
        store_codes(to(first + r), lane<kPanels>(row + r * kPanels * kCodePanel), count);
    }
  };

  template <int kPanels>
  using PlainFinish = PackedFinish<kPanels, Product>;
  template <int kPanels>
  using GainedFinish = PackedFinish<kPanels, GainedProduct>;

  template <int kPanels>
  struct AnyFinish {
    CodeFinish finish;
    int64_t first;
    AnyFinish(const CodeFinish& f, int64_t output) : finish(f), first(output) {}
    void store(const __m512i (&sums)[kPanels], const uint8_t* residual, uint8_t* to, int64_t count) const {
      __m512i x[kPanels];
      for (int p = 0; p < kPanels; ++p) {
        const int64_t done = p * kCodePanel;
        const __m512i sum =
            residual ? joined(sums[p], finish, first + done, residual + done, count - done) : sums[p];
        x[p] = requantize(sum, finish, first + done);
      }
      store_codes(to, codes_of(x, finish), count);
    }
  };

  static void store_floats(__m512i sum, const CodeFinish& f, int64_t output, const uint8_t* residual,
                           float* to, int64_t count) {
    const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1);
    if (residual) sum = joined(sum, f, output, residual, count);
    _mm512_mask_storeu_ps(to, mask, scaled(sum, f, output));
  }
};

}  // namespace
}  // namespace halftone::cpu
