#include <immintrin.h>

#include "backend/cpu/gemm/gemm_int_loops.h"

namespace halftone::cpu {
namespace {

struct Avx2 {
  struct Int {  // 16 outputs in two halves, as in all types here
    __m256i half[2];
  };
  struct Float {
    __m256 half[2];
  };
  struct Codes {
    __m256i half[2];
  };
  /// Whether codes of 8 bits need another dot() than fewer.
  static constexpr bool kWideDiffers = true;
  static constexpr int kStreams = 2;  ///< panels read side by side
  /// Rows that few_rows() takes at a time, and panels side by side where it takes four.
  static constexpr int kMostRows = 4, kFourRowsPanels = 2;
  static constexpr int kTileRows = 2, kTilePanels = 1;

  static constexpr int32_t code_bias(int) { return 0; }

  template <class R, class Operation>
  static R halves(Operation operation) {
    return {{operation(0), operation(1)}};
  }

  static Int broadcast(int32_t x) { return {{_mm256_set1_epi32(x), _mm256_set1_epi32(x)}}; }
  static Float broadcast(float x) { return {{_mm256_set1_ps(x), _mm256_set1_ps(x)}}; }
  static Int add(Int a, Int b) {
    return halves<Int>([&](int i) { return _mm256_add_epi32(a.half[i], b.half[i]); });
  }
  static Int multiply(Int a, Int b) {
    return halves<Int>([&](int i) { return _mm256_mullo_epi32(a.half[i], b.half[i]); });
  }
  static Float multiply(Float a, Float b) {
    return halves<Float>([&](int i) { return _mm256_mul_ps(a.half[i], b.half[i]); });
  }
  static Float fma(Float a, Float b, Float c) {
    return halves<Float>([&](int i) { return _mm256_fmadd_ps(a.half[i], b.half[i], c.half[i]); });
  }
  static Float to_float(Int x) {
    return halves<Float>([&](int i) { return _mm256_cvtepi32_ps(x.half[i]); });
  }
  static void store(float* to, Float x) {
    for (int i = 0; i < 2; ++i) _mm256_store_ps(to + 8 * i, x.half[i]);
  }
  static void store(std::byte* to, Codes x) {
    for (int i = 0; i < 2; ++i) _mm256_store_si256(reinterpret_cast<__m256i*>(to) + i, x.half[i]);
  }

  static Int bias_minus_zeros(const std::byte* zeros, int32_t bias) {
    return halves<Int>([&](int i) {
      const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(zeros + 8 * i));
      return _mm256_sub_epi32(_mm256_set1_epi32(bias), _mm256_cvtepu8_epi32(bytes));
    });
  }
  static Float load_scales(const std::byte* scales, ScaleType type, int64_t index) {
    if (type == ScaleType::f32)
      return halves<Float>(
          [&](int i) { return _mm256_load_ps(reinterpret_cast<const float*>(scales) + index + 8 * i); });
    return halves<Float>([&](int i) {
      const __m128i bits = _mm_load_si128(reinterpret_cast<const __m128i*>(scales + index * 2) + i);
      if (type == ScaleType::f16) return _mm256_cvtph_ps(bits);
      return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
    });
  }

  template <int kBits>
  static void unpack(const std::byte* from, Codes* quads) {
    const __m256i mask = _mm256_set1_epi8(static_cast<char>((1 << kBits) - 1));
    for (int i = 0; i < 2; ++i) {
      const __m256i packed = _mm256_load_si256(reinterpret_cast<const __m256i*>(from) + i);
      for (int q = 0; q < 8 / kBits; ++q)
        quads[q].half[i] = kBits == 8 ? packed : _mm256_and_si256(_mm256_srli_epi16(packed, q * kBits), mask);
    }
  }
  static __m256i quad(const int8_t* a) {
    int32_t four;
    __builtin_memcpy(&four, a, sizeof(four));
    return _mm256_set1_epi32(four);
  }
  /// vpmaddubsw sums two products in 16 bits and saturates: 8-bit codes go in two parts, of 7 bits and of 1.
  template <bool kWide>
  static Int dot(Int acc, Codes codes, __m256i activations) {
    const __m256i ones = _mm256_set1_epi16(1);
    auto products = [&](__m256i part) {
      return _mm256_madd_epi16(_mm256_maddubs_epi16(part, activations), ones);
    };
    return halves<Int>([&](int i) {
      if constexpr (!kWide) return _mm256_add_epi32(acc.half[i], products(codes.half[i]));
      const __m256i top = _mm256_set1_epi8(static_cast<char>(0x80));
      const __m256i low = products(_mm256_andnot_si256(top, codes.half[i]));
      const __m256i high = products(_mm256_and_si256(top, codes.half[i]));
      return _mm256_add_epi32(acc.half[i], _mm256_add_epi32(low, high));
    });
  }
};

}  // namespace

const IntGemmLoops int_gemm_avx2 = kIntGemmLoops<Avx2>;

}  // namespace halftone::cpu
