#pragma once

// Products of int8 codes with queries and weights in integers of 16 bits (wide_codes_simd.h); for per-ISA
// sources only (simd.h).

#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/paged_attention/query_sums_simd.h"
#include "backend/cpu/paged_attention/wide_codes_simd.h"

namespace halftone::cpu {
namespace {

constexpr bool kHasCodeProducts = Wide::kThere;
/// Whole vectors, and sums of up to 512 * 127 * 32767 < 2^31.
constexpr bool code_products_take(int64_t dim) {
  return dim % 32 == 0 && dim <= 512;
}

/// scores[q, t] = queries[q] . keys[first + t] for kQueries rows and kKeys rows, in integers.
template <int kQueries, int kKeys, class Rows, class W = Wide>
void dot_codes(const int16_t* queries, Rows& keys, int64_t first, int64_t dim, float* scores,
               int64_t stride) {
  typename W::Vector sums[kQueries][kKeys];
  for (auto& row : sums)
    for (auto& sum : row) sum = W::zero();
  for (int64_t i = 0; i < dim; i += W::kCodes) {
    keys.fetch(W::kCodes * kKeys);
    typename W::Vector key[kKeys];
    for (int t = 0; t < kKeys; ++t) key[t] = W::load_codes(keys.row(first + t) + i);
    for (int q = 0; q < kQueries; ++q) {
      auto query = W::load(queries + q * dim + i);
      W::keep(query);
      for (int t = 0; t < kKeys; ++t) sums[q][t] = W::add_products(sums[q][t], query, key[t]);
    }
  }
  if constexpr (kHasSumsOfAll<kQueries, kKeys>) {
    Float bits[kQueries][kKeys];
    for (int q = 0; q < kQueries; ++q)
      for (int t = 0; t < kKeys; ++t) bits[q][t] = W::bits(sums[q][t]);
    const Float all = sums_of_all(bits, [](Float a, Float b) { return W::add(a, b); });
    store_all(W::floats(all), scores, stride);
  } else {
    for (int q = 0; q < kQueries; ++q)
      for (int t = 0; t < kKeys; ++t) scores[q * stride + t] = W::sum(sums[q][t]);
  }
}

/// Scores but for the scales of queries and keys.
template <int kQueries, class Rows>
void score_codes(const int16_t* queries, Rows& keys, int64_t begin, int64_t end, int64_t dim, float* scores,
                 int64_t stride) {
  if constexpr (kHasCodeProducts) {
    constexpr int kKeys = Simd::kManyRegisters ? 4 : 2;
    int64_t t = begin;
    for (; t + kKeys <= end; t += kKeys)
      dot_codes<kQueries, kKeys>(queries, keys, t, dim, scores + t, stride);
    for (; t < end; ++t) dot_codes<kQueries, 1>(queries, keys, t, dim, scores + t, stride);
  }
}

/// sum[q] = sum[q] * shrink[q] + scales[q] * sum over t of weights[q, t] * values[t], over columns [i, i +
/// 2 kPairs vectors of floats); rows go by two, from an even one on.
template <int kQueries, int kPairs, class Rows, class W = Wide>
void add_code_columns(float* sum, const float* shrink, const float* scales, const int16_t* weights,
                      Rows& values, int64_t begin, int64_t end, int64_t dim, int64_t i) {
  typename W::Vector sums[kQueries][2 * kPairs];
  for (auto& row : sums)
    for (auto& one : row) one = W::zero();
  for (int64_t t = begin; t < end; t += 2) {
    values.fetch(2 * kPairs * W::kCodes);
    const std::byte* a = values.row(t) + i;
    const std::byte* b = values.row(t + 1 < end ? t + 1 : t) + i;  // beyond the last its weight is 0
    typename W::Vector value[2 * kPairs];
    for (int v = 0; v < kPairs; ++v)
      W::pairs(a + v * W::kCodes, b + v * W::kCodes, value[2 * v], value[2 * v + 1]);
    for (int q = 0; q < kQueries; ++q) {
      const auto weight = W::pair(weights + q * AttentionLoops::kMostTokens + t);
      for (int v = 0; v < 2 * kPairs; ++v) sums[q][v] = W::add_products(sums[q][v], weight, value[v]);
    }
  }
  for (int q = 0; q < kQueries; ++q)
    for (int v = 0; v < kPairs; ++v) {
      Float found[2];
      W::floats_of_pairs(sums[q][2 * v], sums[q][2 * v + 1], found[0], found[1]);
      for (int half = 0; half < 2; ++half) {
        float* to = sum + q * dim + i + v * W::kCodes + half * Simd::kWidth;
        const Float before = Simd::mul(Simd::load(to), Simd::broadcast(shrink[q]));
        Simd::store(to, Simd::fma(found[half], Simd::broadcast(scales[q]), before));
      }
    }
}

/// `weights` are already times the scales of values, and 0 for all rows of [0, stride) beside [begin, end).
template <int kQueries, class Rows>
void add_codes(float* sum, const float* shrink, const float* weights, int64_t stride, Rows& values,
               int64_t begin, int64_t end, int64_t dim) {
  if constexpr (kHasCodeProducts) {
    alignas(64) int16_t codes[kQueries * AttentionLoops::kMostTokens];
    float scales[kQueries];
    for (int q = 0; q < kQueries; ++q)
      scales[q] = to_wide_codes(weights + q * stride, stride, codes + q * AttentionLoops::kMostTokens);
    constexpr int kPairs = Simd::kManyRegisters ? 2 : 1;
    constexpr int64_t kColumns = kPairs * Wide::kCodes;
    int64_t i = 0;
    for (; i + kColumns <= dim; i += kColumns)
      add_code_columns<kQueries, kPairs>(sum, shrink, scales, codes, values, begin / 2 * 2, end, dim, i);
    for (; i < dim; i += Wide::kCodes)
      add_code_columns<kQueries, 1>(sum, shrink, scales, codes, values, begin / 2 * 2, end, dim, i);
  }
}

inline void widen_queries(const QueryTile& tile) {
  for (int64_t q = 0; q < tile.count; ++q)
    tile.code_scales[q] =
        to_wide_codes(tile.queries + q * tile.padded_dim, tile.padded_dim, tile.codes + q * tile.padded_dim);
}

}  // namespace
}  // namespace halftone::cpu
