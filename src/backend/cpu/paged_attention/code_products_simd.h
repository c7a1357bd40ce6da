#pragma once

// Products of int8 codes with queries and weights in integers of 16 bits (wide_codes_simd.h); for per-ISA
// sources only (simd.h).

#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/paged_attention/byte_weights_avx512.h"
#include "backend/cpu/paged_attention/query_sums_simd.h"
#include "backend/cpu/paged_attention/wide_codes_simd.h"
#include "backend/cpu/paged_attention/word_weights_avx2.h"

namespace halftone::cpu {
namespace {

constexpr bool kHasCodeProducts = Wide::kThere;
constexpr bool kHasByteWeights = kHasCodeProducts && Simd::kManyRegisters;
constexpr int kKeysTogether = Simd::kManyRegisters ? 4 : 2;
/// Whole vectors, and sums of up to 512 * 127 * 32767 < 2^31.
constexpr bool code_products_take(int64_t dim) {
  return dim % 32 == 0 && dim <= 512;
}

/// scores[q, t] = queries[q] . keys[first + t] for kQueries rows and kKeys rows, in integers.
template <int kQueries, int kKeys, class Rows, class W = Wide>
[[gnu::always_inline]] inline void dot_codes(const int16_t* queries, Rows& keys, int64_t first, int64_t dim,
                                             float* scores, int64_t stride) {
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
  if constexpr (kQueries == 4 && kKeys == kKeysTogether) {
    store_all(W::sums_of_all(sums), scores, stride);
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
    int64_t t = begin;
    for (; t + kKeysTogether <= end; t += kKeysTogether)
      dot_codes<kQueries, kKeysTogether>(queries, keys, t, dim, scores + t, stride);
    for (; t < end; ++t) dot_codes<kQueries, 1>(queries, keys, t, dim, scores + t, stride);
  }
}

#if !defined(__AVX2__)
template <int kQueries, class Rows>
void add_codes(float*, const float*, const float*, int64_t, const bool*, Rows&, int64_t, int64_t, int64_t) {}
#endif

inline void widen_queries(const QueryTile& tile) {
  for (int64_t q = 0; q < tile.count; ++q)
    tile.code_scales[q] =
        to_wide_codes(tile.queries + q * tile.padded_dim, tile.padded_dim, tile.codes + q * tile.padded_dim);
}

}  // namespace
}  // namespace halftone::cpu
