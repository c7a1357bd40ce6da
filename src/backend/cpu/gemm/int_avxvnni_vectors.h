#pragma once

// 16 outputs in two vectors, for gemm_int_avxvnni.cpp only (gemm_int_loops.h says why all of it is in an
// unnamed namespace).

#include "backend/cpu/dot_products_avxvnni.h"
#include "backend/cpu/gemm/int_avx2_vectors.h"

namespace halftone::cpu {
namespace {

struct AvxVnni {
  struct Int {
    __m256i half[2];
  };
  struct Float {
    __m256 half[2];
  };
  struct Codes {  // u8, a quad of columns for each output
    __m256i half[2];
  };
  static constexpr int kStreams = 2;  ///< panels read side by side
  /// Rows that few_rows() takes at a time, and panels side by side where it takes four.
  static constexpr int kMostRows = 4, kFourRowsPanels = 1;
  static constexpr int kTileRows = 6, kTilePanels = 1;  ///< 12 sums, 2 of codes, a quad: 15 registers of 16
  static constexpr int kTileQuads = 1;
  static constexpr bool kReadsInOrder = false;  ///< has loops for Reading::in_order

  /// What dot() subtracts from each code.
  static constexpr int32_t code_bias(int) { return 0; }

  static Int broadcast(int32_t x) { return {{Avx2::broadcast(x), Avx2::broadcast(x)}}; }
  static Float broadcast(float x) { return {{Avx2::broadcast(x), Avx2::broadcast(x)}}; }
  static Int add(Int a, Int b) {
    return {{Avx2::add(a.half[0], b.half[0]), Avx2::add(a.half[1], b.half[1])}};
  }
  static Int multiply(Int a, Int b) {
    return {{Avx2::multiply(a.half[0], b.half[0]), Avx2::multiply(a.half[1], b.half[1])}};
  }
  static Float multiply(Float a, Float b) {
    return {{Avx2::multiply(a.half[0], b.half[0]), Avx2::multiply(a.half[1], b.half[1])}};
  }
  static Float fma(Float a, Float b, Float c) {
    return {{Avx2::fma(a.half[0], b.half[0], c.half[0]), Avx2::fma(a.half[1], b.half[1], c.half[1])}};
  }
  static Float to_float(Int x) { return {{Avx2::to_float(x.half[0]), Avx2::to_float(x.half[1])}}; }
  static void store(float* to, Float x) {
    _mm256_store_ps(to, x.half[0]);
    _mm256_store_ps(to + Avx2::kLanes, x.half[1]);
  }
  static void store(std::byte* to, Codes x) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), x.half[0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(to) + 1, x.half[1]);
  }

  static Int bias_minus_zeros(const std::byte* zeros, int32_t bias) {
    return {{Avx2::bias_minus_zeros(zeros, bias), Avx2::bias_minus_zeros(zeros + Avx2::kLanes, bias)}};
  }
  static Float load_scales(const std::byte* scales, ScaleType type, int64_t index) {
    return {{Avx2::load_scales(scales, type, index), Avx2::load_scales(scales, type, index + Avx2::kLanes)}};
  }

  template <int kBits>
  static void unpack(const std::byte* from, Codes* quads) {
    constexpr int kQuads = 8 / kBits;
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      __m256i of_half[kQuads];
      Avx2::unpack<kBits>(from + h * (kUnitBytes / 2), of_half);
#pragma GCC unroll 4
      for (int q = 0; q < kQuads; ++q) quads[q].half[h] = of_half[q];
    }
  }
  /// Four activations for every output.
  static __m256i quad(const int8_t* a) {
    return broadcast_word(a);
  }
  static Int dot(Int acc, Codes codes, __m256i activations) {
    return {{add_byte_products(acc.half[0], codes.half[0], activations),
             add_byte_products(acc.half[1], codes.half[1], activations)}};
  }
};

}  // namespace
}  // namespace halftone::cpu
