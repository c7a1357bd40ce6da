#include <immintrin.h>

#include "backend/cpu/int8/code_depthwise.h"
#include "backend/cpu/int8/code_finish_avx2.h"

namespace halftone::cpu {
namespace {

/// 16 bytes of which `count` are read.
__m128i load_part(const uint8_t* from, int64_t count) {
  if (count >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  uint8_t all[16] = {};
  for (int64_t i = 0; i < count; ++i) all[i] = from[i];
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(all));
}

void run_block(const CodeDepthwise& work, const CodeFinish& f, int64_t first, int64_t channels) {
  for (int64_t r = 0; r < work.count; ++r) {
    __m256i low = CodeFinishAvx2::load(work.bias + first);
    __m256i high = CodeFinishAvx2::load(work.bias + first + 8);
    const int8_t* weights = work.weights + first * work.taps;
    const uint8_t* const* rows = work.rows + r;
    for (int64_t tap = 0; tap < work.taps; ++tap, rows += work.row_step, weights += 16) {
      const __m256i x = _mm256_cvtepu8_epi16(load_part(*rows + first, channels));
      const __m256i w = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weights)));
      const __m256i products = _mm256_mullo_epi16(x, w);  // within 255 * 128
      low = _mm256_add_epi32(low, _mm256_cvtepi16_epi32(_mm256_castsi256_si128(products)));
      high = _mm256_add_epi32(high, _mm256_cvtepi16_epi32(_mm256_extracti128_si256(products, 1)));
    }
    low = CodeFinishAvx2::requantize(low, f, first);
    high = CodeFinishAvx2::requantize(high, f, first + 8);
    CodeFinishAvx2::store_codes(work.out + r * work.out_step + first, CodeFinishAvx2::codes_of(low, high, f),
                                channels < 16 ? channels : 16, f.table);
  }
}

void run(const CodeDepthwise& work, const CodeFinish& finish) {
  for (int64_t first = 0; first < work.channels; first += 16)
    run_block(work, finish, first, work.channels - first);
}

}  // namespace

const CodeDepthwiseLoops code_depthwise_avx2 = {16, 1, nullptr, run};

}  // namespace halftone::cpu
