#include <immintrin.h>

#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/int8/code_depthwise.h"
#include "backend/cpu/int8/code_finish_avx2.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kBlock = 16;
constexpr int kRows = 4;  // 4 x 2 sums, 2 of weights, 4 on the way

/// One block of channels from `first` on, of which `channels` are there, for rows [row, row + kCount).
template <bool kGained, int kCount>
void run_rows(const CodeDepthwise& work, const CodeFinish& f, int64_t block, int64_t first, int64_t channels,
              int64_t row) {
  const int64_t place = block * kBlock;
  __m256i low[kCount], high[kCount];
#pragma GCC unroll 4
  for (int r = 0; r < kCount; ++r) {
    low[r] = CodeFinishAvx2::load(work.bias + place);
    high[r] = CodeFinishAvx2::load(work.bias + place + 8);
  }
  const int8_t* weights = work.weights + place * work.taps;
  const uint8_t* const* rows = work.rows + row;
  for (int64_t tap = 0; tap < work.taps; tap += 2, rows += 2 * work.row_step, weights += 2 * kBlock) {
    const auto* pairs = reinterpret_cast<const __m128i*>(weights);
    const __m256i w_low = _mm256_cvtepi8_epi16(_mm_loadu_si128(pairs));
    const __m256i w_high = _mm256_cvtepi8_epi16(_mm_loadu_si128(pairs + 1));
#pragma GCC unroll 4
    for (int r = 0; r < kCount; ++r) {
      const __m128i x0 = CodeFinishAvx2::load_part(rows[r] + first, channels);
      const __m128i x1 = CodeFinishAvx2::load_part(rows[work.row_step + r] + first, channels);
      const __m256i x_low = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(x0, x1));
      const __m256i x_high = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(x0, x1));
      low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(x_low, w_low));
      high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(x_high, w_high));
    }
  }
  if (work.floats) {
#pragma GCC unroll 4
    for (int r = 0; r < kCount; ++r)
      CodeFinishAvx2::store_floats(low[r], high[r], f, place, work.floats + (row + r) * work.out_step + first,
                                   channels);
    return;
  }
  __m128i codes[kCount + 1];
#pragma GCC unroll 4
  for (int r = 0; r < kCount; ++r)
    codes[r] = CodeFinishAvx2::codes_of(CodeFinishAvx2::ended<kGained>(low[r], f, place),
                                        CodeFinishAvx2::ended<kGained>(high[r], f, place + 8), f);
  if (f.table) {
    codes[kCount] = codes[kCount - 1];
#pragma GCC unroll 4
    for (int r = 0; r < kCount; r += 2) {
      const __m256i two = CodeFinishAvx2::look_up(f.table, _mm256_set_m128i(codes[r + 1], codes[r]));
      codes[r] = _mm256_castsi256_si128(two);
      codes[r + 1] = _mm256_extracti128_si256(two, 1);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kCount; ++r)
    CodeFinishAvx2::store_part(work.out + (row + r) * work.out_step + first, codes[r], channels);
}

template <bool kGained>
void run_blocks(const CodeDepthwise& work, const CodeFinish& finish) {
  const int64_t blocks = (work.channels + kBlock - 1) / kBlock;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t left = work.channels - kBlock;  // the last block ends where the channels do
    const int64_t first = left < 0 ? 0 : block * kBlock < left ? block * kBlock : left;
    const int64_t channels = left < 0 ? work.channels : kBlock;
    int64_t row = 0;
    for (; row + kRows <= work.count; row += kRows)
      run_rows<kGained, kRows>(work, finish, block, first, channels, row);
    for (; row < work.count; ++row) run_rows<kGained, 1>(work, finish, block, first, channels, row);
  }
}

void run(const CodeDepthwise& work, const CodeFinish& finish) {
  finish.gate != Gate::none ? run_blocks<true>(work, finish) : run_blocks<false>(work, finish);
}

}  // namespace

const CodeDepthwiseLoops code_depthwise_avx2 = {kBlock, 2, true, nullptr, run, &activation_avx2};

}  // namespace halftone::cpu
