#include <immintrin.h>

#include "backend/cpu/gemm/gemm_float_loops.h"

namespace halftone::cpu {
namespace {

struct Avx2 {
  struct Float {  // 16 lanes in two halves
    __m256 half[2];
  };
  struct Codes {
    __m256i half[2];
  };
  static constexpr int kTileRows = 6, kTilePanels = 1;
  static constexpr int kOutputs[] = {4, 4, 1};  ///< of few rows

  template <class R, class Operation>
  static R halves(Operation operation) {
    return {{operation(0), operation(1)}};
  }

  static Float broadcast(float x) { return {{_mm256_set1_ps(x), _mm256_set1_ps(x)}}; }
  static Float fma(Float a, Float b, Float c) {
    return halves<Float>([&](int i) { return _mm256_fmadd_ps(a.half[i], b.half[i], c.half[i]); });
  }
  static Float multiply(Float a, Float b) {
    return halves<Float>([&](int i) { return _mm256_mul_ps(a.half[i], b.half[i]); });
  }
  static Float subtract(Float a, Float b) {
    return halves<Float>([&](int i) { return _mm256_sub_ps(a.half[i], b.half[i]); });
  }
  static Float to_float(Codes x) {
    return halves<Float>([&](int i) { return _mm256_cvtepi32_ps(x.half[i]); });
  }
  static float sum(Float x) {
    const __m256 eight = _mm256_add_ps(x.half[0], x.half[1]);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  static void store(float* to, Float x) {
    for (int i = 0; i < 2; ++i) _mm256_storeu_ps(to + 8 * i, x.half[i]);
  }

  static Float load(const std::byte* from) {
    return halves<Float>(
        [&](int i) { return _mm256_loadu_ps(reinterpret_cast<const float*>(from + 32 * i)); });
  }
  static Float load_f16(const std::byte* from) {
    return halves<Float>([&](int i) { return _mm256_cvtph_ps(half_bits(from, i)); });
  }
  static Float load_bf16(const std::byte* from) {
    return halves<Float>([&](int i) {
      return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half_bits(from, i)), 16));
    });
  }
  static float f16(uint16_t bits) { return _cvtsh_ss(bits); }

  /// 16 codes: eight from the low bits of each word, four from each half of those.
  struct Unpacker {
    int half_bits;
    __m256i shifts, mask;
    explicit Unpacker(int bits)
        : half_bits(4 * bits),
          shifts(_mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3), _mm256_set1_epi32(bits))),
          mask(_mm256_set1_epi32((1 << bits) - 1)) {}
    Codes operator()(uint64_t first, uint64_t second) const {
      return halves<Codes>([&](int i) {
        const uint64_t word = i == 0 ? first : second;
        const __m128i low = _mm_set1_epi32(static_cast<int32_t>(word));
        const __m128i high = _mm_set1_epi32(static_cast<int32_t>(word >> half_bits));
        return _mm256_and_si256(_mm256_srlv_epi32(_mm256_set_m128i(high, low), shifts), mask);
      });
    }
  };
  /// 16 codes of 4 or 8 bits that begin with a byte.
  template <int kBits>
  static Codes whole_codes(const std::byte* from) {
    if constexpr (kBits == 8)
      return halves<Codes>([&](int i) {
        return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + 8 * i)));
      });
    const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    return halves<Codes>([&](int i) {
      int32_t eight;
      __builtin_memcpy(&eight, from + 4 * i, sizeof(eight));
      return _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(eight), shifts), _mm256_set1_epi32(15));
    });
  }
  struct Table {
    const float* values;
    bool is_small;
    Float small;  // 16 entries
    explicit Table(const WeightRows& w)
        : values(w.table), is_small(w.table && w.bits <= 4), small(broadcast(0.0f)) {
      if (is_small) small = load(reinterpret_cast<const std::byte*>(values));
    }
    Float operator()(Codes codes) const {
      if (is_small) return of_sixteen(codes);
      return halves<Float>([&](int i) { return _mm256_i32gather_ps(values, codes.half[i], 4); });
    }
    /// Where no code has more than 4 bits.
    Float of_sixteen(Codes codes) const {
      return halves<Float>([&](int i) {
        const __m256 low = _mm256_permutevar8x32_ps(small.half[0], codes.half[i]);
        const __m256 high = _mm256_permutevar8x32_ps(small.half[1], codes.half[i]);
        return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(codes.half[i], 28)));
      });
    }
  };

  static void transpose(const float* from, int64_t step, float* to) {
    for (int r = 0; r < 16; ++r)
      for (int c = 0; c < 16; ++c) to[16 * c + r] = from[r * step + c];
  }

 private:
  static __m128i half_bits(const std::byte* from, int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from) + i);
  }
};

}  // namespace

const FloatGemmLoops float_gemm_avx2 = kFloatGemmLoops<Avx2>;

}  // namespace halftone::cpu
