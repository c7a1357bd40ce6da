#include "backend/cpu/gemm/avx512_vectors.h"
#include "backend/cpu/gemm/gemm_few_rows_loops.h"
#include "backend/cpu/gemm/nibble_rows.h"

namespace halftone::cpu {
namespace {

// Codes are looked up word by word: a word has eight, and its code j is in the low bits once it is shifted by
// 4 j, so nothing is unpacked.

constexpr int kNibbles = 8;  ///< of a word

/// to[128 b + 16 j + w] = a[128 b + 8 w + j].
void arrange(const float* a, int64_t count, float* to) {
  const __m512i words = _mm512_mullo_epi32(
      _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32(kNibbles));
  for (int64_t block = 0; block < count; block += kNibbleBlock)
    for (int j = 0; j < kNibbles; ++j)
      _mm512_storeu_ps(to + block + 16 * j, _mm512_i32gather_ps(words, a + block + j, sizeof(float)));
}

/// The scales (and zero points) of one row's words, block by block.
class WordScales {
 public:
  WordScales(const WeightRows& w, int64_t row) : w_(w), first_(row * w.scale_step) {
    const int64_t groups = w.group < kNibbleBlock && w.group < w.k ? kNibbleBlock / w.group : 1;
    mask_ = static_cast<__mmask16>((1u << groups) - 1);
    alignas(64) int32_t groups_of[16];
    for (int64_t word = 0; word < 16; ++word)
      groups_of[word] = groups == 1 ? 0 : static_cast<int32_t>(word * kNibbles / w.group);
    of_words_ = _mm512_load_si512(groups_of);
  }

  __m512 scales(int64_t k) const {
    const int64_t at = first_ + k / w_.group;
    if (w_.scale_kind == RowKind::f32) return spread(_mm512_maskz_loadu_ps(mask_, w_.scales + at * 4));
    const __m256i halves = _mm256_maskz_loadu_epi16(mask_, w_.scales + at * 2);
    if (w_.scale_kind == RowKind::f16) return spread(_mm512_cvtph_ps(halves));
    return spread(_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16)));
  }
  __m512 zeros(int64_t k) const {
    const __m128i codes = _mm_maskz_loadu_epi8(mask_, w_.zeros + first_ + k / w_.group);
    return spread(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes)));
  }

 private:
  __m512 spread(__m512 of_groups) const { return _mm512_permutexvar_ps(of_words_, of_groups); }

  const WeightRows& w_;
  int64_t first_;
  __mmask16 mask_;
  __m512i of_words_;
};

/// What the 16 codes mean, but for the scale and a zero point of the group's own.
__m512 code_values(const WeightRows& w) {
  if (w.kind == RowKind::table) return _mm512_loadu_ps(w.table);
  const __m512 codes = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return w.zeros ? codes : _mm512_sub_ps(codes, _mm512_set1_ps(static_cast<float>(w.shared_zero)));
}

/// dot_rows() of such weights.
template <int kRows, bool kZeros>
void nibble_dots(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out, int64_t m0,
                 int64_t n0, int64_t step, int64_t end) {
  auto output = [&](int i) { return n0 + i * step < end ? n0 + i * step : end - 1; };
  const WordScales scales[kMostOutputs] = {{w, output(0)}, {w, output(1)}, {w, output(2)}, {w, output(3)}};
  const float* x[kRows];
  for (int r = 0; r < kRows; ++r) x[r] = a + (m0 + r < m ? m0 + r : m - 1) * w.k;
  const __m512 values = code_values(w);
  __m512 sum[kRows][kMostOutputs];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int i = 0; i < kMostOutputs; ++i) sum[r][i] = _mm512_setzero_ps();
  for (int64_t k = 0; k < w.k; k += kNibbleBlock)
#pragma GCC unroll 4
    for (int i = 0; i < kMostOutputs; ++i) {
      const std::byte* from = w.data + output(i) * w.row_bytes + k / 2;
      __builtin_prefetch(from + 1024);
      __m512i words = _mm512_loadu_si512(from);
      [[maybe_unused]] __m512 zeros;
      if constexpr (kZeros) zeros = scales[i].zeros(k);
      __m512 part[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) part[r] = _mm512_setzero_ps();
#pragma GCC unroll 8
      for (int j = 0; j < kNibbles; ++j) {
        __m512 value = _mm512_permutexvar_ps(words, values);
        if constexpr (kZeros) value = _mm512_sub_ps(value, zeros);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r)
          part[r] = _mm512_fmadd_ps(value, _mm512_loadu_ps(x[r] + k + 16 * j), part[r]);
        words = _mm512_srli_epi32(words, 4);
      }
      const __m512 scale = scales[i].scales(k);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sum[r][i] = _mm512_fmadd_ps(part[r], scale, sum[r][i]);
    }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int i = 0; i < kMostOutputs; ++i)
      if (m0 + r < m && n0 + i * step < end)
        out.y[(m0 + r) * w.n + n0 + i * step] = _mm512_reduce_add_ps(sum[r][i]);
}

template <bool kZeros>
void nibble_rows(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out, int64_t begin,
                 int64_t end) {
  const int64_t step = (end - begin + kMostOutputs - 1) / kMostOutputs;
  for (int64_t n = begin; n < begin + step; ++n)
    for (int64_t m0 = 0; m0 < m; m0 += 4) {
      if (m - m0 == 1)
        nibble_dots<1, kZeros>(w, a, m, out, m0, n, step, end);
      else if (m - m0 == 2)
        nibble_dots<2, kZeros>(w, a, m, out, m0, n, step, end);
      else
        nibble_dots<4, kZeros>(w, a, m, out, m0, n, step, end);
    }
  finish(out, m, w.n, begin, end);
}

void few(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out, int64_t begin, int64_t end) {
  w.kind == RowKind::integers&& w.zeros ? nibble_rows<true>(w, a, m, out, begin, end)
                                        : nibble_rows<false>(w, a, m, out, begin, end);
}

}  // namespace

const NibbleLoops nibble_rows_avx512vnni = {kNibbles, arrange, few};

}  // namespace halftone::cpu
