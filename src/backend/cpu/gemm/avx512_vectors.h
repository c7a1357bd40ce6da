#pragma once

// The vector type of decode_loops.h and gemm_float_loops.h on AVX-512, for the per-ISA sources only
// (gemm_float_loops.h says why all of it is in an unnamed namespace).

#include <cstddef>
#include <cstdint>

#include "backend/cpu/gemm/gemm_float.h"
#include "backend/cpu/simd_transpose.h"

namespace halftone::cpu {
namespace {

struct Avx512 {
  using Float = __m512;
  using Codes = __m512i;
  static constexpr int kTileRows = 12, kTilePanels = 2;
  static constexpr int kOutputs[] = {4, 4, 4};  ///< of few rows

  static Float broadcast(float x) { return _mm512_set1_ps(x); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float subtract(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float to_float(Codes x) { return _mm512_cvtepi32_ps(x); }
  static float sum(Float x) { return _mm512_reduce_add_ps(x); }
  static void store(float* to, Float x) { _mm512_storeu_ps(to, x); }

  static Float load(const std::byte* from) { return _mm512_loadu_ps(from); }
  static Float load_f16(const std::byte* from) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static Float load_bf16(const std::byte* from) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static float f16(uint16_t bits) { return _cvtsh_ss(bits); }

  /// 16 codes: eight from the low bits of each word.
  struct Unpacker {
    __m128i starts, mask;
    explicit Unpacker(int bits)
        : starts(_mm_set1_epi64x(static_cast<int64_t>(0x0706050403020100u * static_cast<uint64_t>(bits)))),
          mask(_mm_set1_epi8(static_cast<char>((1 << bits) - 1))) {}
    Codes operator()(uint64_t first, uint64_t second) const {
      const __m128i words = _mm_set_epi64x(static_cast<int64_t>(second), static_cast<int64_t>(first));
      return _mm512_cvtepu8_epi32(_mm_and_si128(_mm_multishift_epi64_epi8(starts, words), mask));
    }
  };
  /// 16 codes of 4 or 8 bits that begin with a byte.
  template <int kBits>
  static Codes whole_codes(const std::byte* from) {
    if constexpr (kBits == 8)
      return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    const __m128i pairs = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    const __m128i mask = _mm_set1_epi8(15), low = _mm_and_si128(pairs, mask);
    const __m128i high = _mm_and_si128(_mm_srli_epi16(pairs, 4), mask);
    return _mm512_cvtepu8_epi32(_mm_unpacklo_epi8(low, high));
  }
  struct Table {
    const float* values;
    bool is_small;
    __m512 small;
    explicit Table(const WeightRows& w)
        : values(w.table), is_small(w.table && w.bits <= 4), small(_mm512_setzero_ps()) {
      if (is_small) small = _mm512_loadu_ps(values);
    }
    Float operator()(Codes codes) const {
      return is_small ? of_sixteen(codes) : _mm512_i32gather_ps(codes, values, 4);
    }
    /// Where no code has more than 4 bits.
    Float of_sixteen(Codes codes) const { return _mm512_permutexvar_ps(codes, small); }
  };

  /// 16 rows `step` apart -> 16 columns.
  static void transpose(const float* from, int64_t step, float* to) {
    __m512i rows[16];
#pragma GCC unroll 16
    for (int r = 0; r < 16; ++r) rows[r] = _mm512_loadu_si512(from + r * step);
    transpose_16x16(rows);
#pragma GCC unroll 16
    for (int r = 0; r < 16; ++r) _mm512_store_si512(to + 16 * r, rows[r]);
  }
};

}  // namespace
}  // namespace halftone::cpu
