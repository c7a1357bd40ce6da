#include <immintrin.h>

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/int8/code_finish_avx2.h"
#include "backend/cpu/int8/code_tile_loops.h"

namespace halftone::cpu {
namespace {

/// vpmaddubsw would saturate at 16 bits, so both sides are widened to 16 bits first. An output is two
/// partial sums side by side until it is finished.
struct Avx2 : CodeFinishAvx2 {
  struct Sum {
    __m256i part[4];  // 4 outputs each
  };
  struct Weights {
    __m256i part[4];
  };
  using Codes = __m256i;
  static constexpr int32_t kCodeBias = 0;
  static constexpr const ActivationLoops* kActivations = &activation_avx2;
  static constexpr int kBlock = 1;
  static constexpr int kRows[] = {2};

  static Sum sum_from(const int32_t* bias) {
    Sum sum;
    for (int i = 0; i < 4; ++i)
      sum.part[i] = _mm256_cvtepu32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bias + 4 * i)));
    return sum;
  }
  static Weights weights(const int8_t* from) {
    Weights w;
    for (int i = 0; i < 4; ++i)
      w.part[i] = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 16 * i)));
    return w;
  }
  static Codes codes(const uint8_t* from) {
    int32_t quad;
    __builtin_memcpy(&quad, from, sizeof(quad));
    return _mm256_cvtepu8_epi16(_mm_set1_epi32(quad));
  }
  static Sum dot(Sum sum, const Weights& weights, Codes codes) {
    for (int i = 0; i < 4; ++i)
      sum.part[i] = _mm256_add_epi32(sum.part[i], _mm256_madd_epi16(weights.part[i], codes));
    return sum;
  }

  /// Outputs 8 * half to 8 * half + 7.
  static __m256i outputs(const Sum& sum, int half) {
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(sum.part[2 * half], sum.part[2 * half + 1]), 0xd8);
  }

  template <int kPanels>
  struct Finish {
    CodeFinish finish;
    int64_t first;
    Finish(const CodeFinish& f, int64_t output) : finish(f), first(output) {}
    void store(const Sum (&sums)[kPanels], const uint8_t* residual, uint8_t* to, int64_t count) const {
      __m256i low = outputs(sums[0], 0), high = outputs(sums[0], 1);
      if (residual) join(low, high, finish, first, residual, count);
      low = requantize(low, finish, first);
      high = requantize(high, finish, first + 8);
      store_codes(to, codes_of(low, high, finish), count, finish.table);
    }
  };

  static void store_floats(const Sum& sum, const CodeFinish& f, int64_t output, const uint8_t* residual,
                           float* to, int64_t count) {
    __m256i low = outputs(sum, 0), high = outputs(sum, 1);
    if (residual) join(low, high, f, output, residual, count);
    store_floats_of(low, high, f, output, to, count);
  }
};

}  // namespace

const CodeLoops code_loops_avx2 = kCodeLoops<Avx2>;

}  // namespace halftone::cpu
