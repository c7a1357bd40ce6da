#pragma once

// Products of int8 codes with queries and weights in integers of 16 bits (wide_codes_avx2.h); for per-ISA
// sources only (simd.h).

#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/paged_attention/word_weights_avx2.h"

namespace halftone::cpu {
namespace {

#if defined(__AVX2__) && !defined(__AVX512F__)

constexpr bool kHasCodeProducts = true;

/// scores[q, t] = queries[q] . keys[first + t] for kQueries rows and kKeys rows, in integers.
template <int kQueries, int kKeys, class Rows>
[[gnu::always_inline]] inline void dot_codes(const int16_t* queries, Rows& keys, int64_t first, int64_t dim,
                                             float* scores, int64_t stride) {
  Wide::Vector sums[kQueries][kKeys];
  for (auto& row : sums)
    for (auto& sum : row) sum = Wide::zero();
  for (int64_t i = 0; i < dim; i += Wide::kCodes) {
    keys.fetch(Wide::kCodes * kKeys);
    Wide::Vector key[kKeys];
    for (int t = 0; t < kKeys; ++t) key[t] = Wide::load_codes(keys.row(first + t) + i);
    for (int q = 0; q < kQueries; ++q) {
      auto query = Wide::load(queries + q * dim + i);
      Wide::keep(query);
      for (int t = 0; t < kKeys; ++t) sums[q][t] = Wide::add_products(sums[q][t], query, key[t]);
    }
  }
  if constexpr (kQueries == 4 && kKeys == 2) {
    store_all(Wide::sums_of_all(sums), scores, stride);
  } else {
    for (int q = 0; q < kQueries; ++q)
      for (int t = 0; t < kKeys; ++t) scores[q * stride + t] = Wide::sum(sums[q][t]);
  }
}

/// Scores but for the scales of queries and keys.
template <int kQueries, class Rows>
void score_codes(const int16_t* queries, Rows& keys, int64_t begin, int64_t end, int64_t dim, float* scores,
                 int64_t stride) {
  int64_t t = begin;
  for (; t + 2 <= end; t += 2) dot_codes<kQueries, 2>(queries, keys, t, dim, scores + t, stride);
  for (; t < end; ++t) dot_codes<kQueries, 1>(queries, keys, t, dim, scores + t, stride);
}

inline void encode_queries(const QueryTile& tile) {
  for (int64_t q = 0; q < tile.count; ++q)
    tile.code_scales[q] =
        to_wide_codes(tile.queries + q * tile.padded_dim, tile.padded_dim, tile.codes + q * tile.padded_dim);
}

#else

constexpr bool kHasCodeProducts = false;

template <int kQueries, class Rows>
void score_codes(const int16_t*, Rows&, int64_t, int64_t, int64_t, float*, int64_t) {}
template <int kQueries, class Rows>
void add_codes(float*, const float*, const float*, int64_t, Rows&, int64_t, int64_t, int64_t) {}

#endif

}  // namespace
}  // namespace halftone::cpu
