#pragma once

// Sums of int8 values with weights of 16 bits: rows go by two; for per-ISA sources only (simd.h).

#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/paged_attention/wide_codes_avx2.h"

namespace halftone::cpu {
namespace {

#if defined(__AVX2__) && !defined(__AVX512F__)

/// sum[q] = sum[q] * shrink[q] + scales[q] * sum over t of weights[q, t] * values[t], over columns
/// [i, i + 16); rows go by two, from an even one on.
template <int kQueries, class Rows>
void add_code_columns(float* sum, const float* shrink, const float* scales, const int16_t* weights,
                      Rows& values, int64_t begin, int64_t end, int64_t dim, int64_t i) {
  Wide::Vector sums[kQueries][2];
  for (auto& row : sums)
    for (auto& one : row) one = Wide::zero();
  for (int64_t t = begin; t < end; t += 2) {
    values.fetch(2 * Wide::kCodes);
    const std::byte* a = values.row(t) + i;
    const std::byte* b = values.row(t + 1 < end ? t + 1 : t) + i;  // beyond the last its weight is 0
    Wide::Vector value[2];
    Wide::pairs(a, b, value[0], value[1]);
    for (int q = 0; q < kQueries; ++q) {
      const auto weight = Wide::pair(weights + q * AttentionLoops::kMostTokens + t);
      for (int v = 0; v < 2; ++v) sums[q][v] = Wide::add_products(sums[q][v], weight, value[v]);
    }
  }
  for (int q = 0; q < kQueries; ++q)
    for (int half = 0; half < 2; ++half) {
      float* to = sum + q * dim + i + half * Simd::kWidth;
      const Float before = Simd::mul(Simd::load(to), Simd::broadcast(shrink[q]));
      Simd::store(to, Simd::fma(_mm256_cvtepi32_ps(sums[q][half]), Simd::broadcast(scales[q]), before));
    }
}

/// `weights` are already times the scales of values, and 0 for all rows of [0, stride) beside [begin, end).
template <int kQueries, class Rows>
void add_codes(float* sum, const float* shrink, const float* weights, int64_t stride, Rows& values,
               int64_t begin, int64_t end, int64_t dim) {
  alignas(64) int16_t codes[kQueries * AttentionLoops::kMostTokens];
  float scales[kQueries];
  for (int q = 0; q < kQueries; ++q)
    scales[q] = to_wide_codes(weights + q * stride, stride, codes + q * AttentionLoops::kMostTokens);
  for (int64_t i = 0; i < dim; i += Wide::kCodes)
    add_code_columns<kQueries>(sum, shrink, scales, codes, values, begin / 2 * 2, end, dim, i);
}

#endif

}  // namespace
}  // namespace halftone::cpu
