#include <immintrin.h>

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/int8/code_depthwise_lines.h"
#include "backend/cpu/int8/code_finish_avx2.h"

// The codes of two lines side by side, widened to 16 bits: vpmaddwd sums the products of both into 32 bits.
// The lower half of a vector has lines 0 and 1, the upper half 2 and 3; sums of both halves are added at the
// end.

namespace halftone::cpu {
namespace {

constexpr int kVectors = 4;  // of 4 channels

/// The codes of a column in vectors.
void read_column(const uint8_t* const (&at)[4], __m256i* to) {
  const auto both = [&](int upper, int lower) {
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at[lower]));
    const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at[upper]));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  };
  const __m256i even = both(2, 0), odd = both(3, 1), zero = _mm256_setzero_si256();
  const __m256i low = _mm256_unpacklo_epi8(even, odd), high = _mm256_unpackhi_epi8(even, odd);
  _mm256_store_si256(to, _mm256_unpacklo_epi8(low, zero));
  _mm256_store_si256(to + 1, _mm256_unpackhi_epi8(low, zero));
  _mm256_store_si256(to + 2, _mm256_unpacklo_epi8(high, zero));
  _mm256_store_si256(to + 3, _mm256_unpackhi_epi8(high, zero));
}

void read_columns(const CodeDepthwiseLines& work, int64_t count, __m256i* to) {
  const int64_t inside = work.first_column < 0 ? -work.first_column : 0;
  const int64_t end = work.columns - work.first_column < count ? work.columns - work.first_column : count;
  const uint8_t* const outside[4] = {work.padding, work.padding, work.padding, work.padding};
  int64_t i = 0;
  for (; i < count && i < inside; ++i, to += kVectors) read_column(outside, to);
  const int64_t column = work.first_column + i;
  const uint8_t* at[4];
#pragma GCC unroll 4
  for (int line = 0; line < 4; ++line) at[line] = work.lines[line] + column * work.steps[line];
  for (; i < end; ++i, to += kVectors) {
    read_column(at, to);
#pragma GCC unroll 4
    for (int line = 0; line < 4; ++line) at[line] += work.steps[line];
  }
  for (; i < count; ++i, to += kVectors) read_column(outside, to);
}

/// Four channels of all outputs of kLines lines.
template <int kLines>
void sum_channels(const __m256i* columns, int64_t stride, int64_t count, const int16_t* weights,
                  const int32_t* bias, int32_t* sums) {
  const __m256i start = _mm256_inserti128_si256(_mm256_setzero_si256(),
                                                _mm_loadu_si128(reinterpret_cast<const __m128i*>(bias)), 0);
  __m256i w[3][kLines];
#pragma GCC unroll 3
  for (int x = 0; x < 3; ++x)
#pragma GCC unroll 2
    for (int line = 0; line < kLines; ++line)
      w[x][line] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + 16 * (2 * x + line)));
  for (int64_t i = 0; i < count; ++i, columns += stride * kVectors, sums += kCodePanel) {
    const __m256i d[3] = {columns[0], columns[kVectors], columns[2 * kVectors]};
#pragma GCC unroll 2
    for (int line = 0; line < kLines; ++line) {
      __m256i sum = _mm256_add_epi32(start, _mm256_madd_epi16(d[0], w[0][line]));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(d[1], w[1][line]));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(d[2], w[2][line]));
      _mm_store_si128(reinterpret_cast<__m128i*>(sums + line * kDepthwiseColumns * kCodePanel),
                      _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1)));
    }
  }
}

template <int kLines>
void run(const CodeDepthwiseLines& work, const CodeFinish& finish) {
  auto* columns = reinterpret_cast<__m256i*>(work.scratch);
  auto* sums = reinterpret_cast<int32_t*>(work.scratch + kDepthwiseSums);
  read_columns(work, (work.count - 1) * work.stride + 3, columns);
  for (int v = 0; v < kVectors; ++v)
    sum_channels<kLines>(columns + v, work.stride, work.count, work.weights + 96 * v, work.bias + 4 * v,
                         sums + 4 * v);
  for (int line = 0; line < kLines; ++line) {
    int32_t* from = sums + line * kDepthwiseColumns * kCodePanel;
    if (work.out[line]) {
      CodeFinishAvx2::to_codes(
          {from, work.count, nullptr, 0, kCodePanel, nullptr, work.out_step, work.out[line]}, finish);
    } else if (!work.out[0]) {
      for (int64_t i = 0; i < work.count; ++i, from += kCodePanel)
        CodeFinishAvx2::store_floats(CodeFinishAvx2::load(from), CodeFinishAvx2::load(from + 8), finish, 0,
                                     reinterpret_cast<float*>(from), kCodePanel);
    }
  }
}

}  // namespace

const CodeDepthwiseLinesLoops code_depthwise_lines_avx2 = {run<1>, run<2>, &activation_avx2};

}  // namespace halftone::cpu
