#pragma once

// Vectors of integer products on AVX-512, for the sources of gemm_int that are compiled for it
// (gemm_int_loops.h says why all of it is in an unnamed namespace).

#include <immintrin.h>

#include "backend/cpu/byte_products_avx512.h"
#include "backend/cpu/gemm/int_panels.h"

namespace halftone::cpu {
namespace {

struct Avx512Vnni {
  using Int = __m512i;  // 16 outputs
  using Float = __m512;
  using Codes = __m512i;              // u8, a quad of columns for each output
  static constexpr int kStreams = 4;  ///< panels read side by side
  /// Rows that few_rows() takes at a time, and panels side by side where it takes four.
  static constexpr int kMostRows = 8, kFourRowsPanels = 2;
  static constexpr int kTileRows = 6, kTilePanels = 2;
  static constexpr int kTileQuads = 1;         ///< many rows: quads of columns at a time
  static constexpr bool kReadsInOrder = true;  ///< has loops for Reading::in_order

  /// What dot() subtracts from each code.
  static constexpr int32_t code_bias(int) { return 0; }

  static Int broadcast(int32_t x) { return _mm512_set1_epi32(x); }
  static Float broadcast(float x) { return _mm512_set1_ps(x); }
  static Int add(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static Int multiply(Int a, Int b) { return _mm512_mullo_epi32(a, b); }
  static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float to_float(Int x) { return _mm512_cvtepi32_ps(x); }
  static void store(float* to, Float x) { _mm512_store_ps(to, x); }
  static void store(std::byte* to, Codes x) { _mm512_store_si512(to, x); }

  static Int bias_minus_zeros(const std::byte* zeros, int32_t bias) {
    const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(zeros));
    return _mm512_sub_epi32(_mm512_set1_epi32(bias), _mm512_cvtepu8_epi32(bytes));
  }
  static Float load_scales(const std::byte* scales, ScaleType type, int64_t index) {
    if (type == ScaleType::f32) return _mm512_load_ps(scales + index * 4);
    const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(scales + index * 2));
    if (type == ScaleType::f16) return _mm512_cvtph_ps(bits);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }

  template <int kBits>
  static void unpack(const std::byte* from, Codes* quads) {
    const __m512i packed = _mm512_load_si512(from);
    if constexpr (kBits == 8) {
      quads[0] = packed;
    } else {
      const __m512i mask = _mm512_set1_epi8((1 << kBits) - 1);
      for (int q = 0; q < 8 / kBits; ++q)
        quads[q] = _mm512_and_si512(
            q == 0 ? packed : _mm512_srli_epi16(packed, static_cast<unsigned>(q * kBits)), mask);
    }
  }
  /// Four activations for every output.
  static __m512i quad(const int8_t* a) {
    int32_t four;
    __builtin_memcpy(&four, a, sizeof(four));
    return _mm512_set1_epi32(four);
  }
  static Int dot(Int acc, Codes codes, __m512i activations) {
    return add_byte_products(acc, codes, activations);
  }
};

}  // namespace
}  // namespace halftone::cpu
