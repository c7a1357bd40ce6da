#pragma once

#include "backend/cpu/paged_attention/fetch_ahead_simd.h"
#include "backend/cpu/paged_attention/load_tile_simd.h"
#include "backend/cpu/paged_attention/query_sums_simd.h"
#include "backend/cpu/simd_math.h"

namespace halftone::cpu {
namespace {

/// Keeps a in a register: compilers would load it again for each product.
inline void keep(Float& a) {
#if defined(__AVX512F__)
  asm("" : "+v"(a));
#elif defined(__AVX2__)
  asm("" : "+x"(a));
#else
  asm("" : "+w"(a));
#endif
}

template <int kQueries, int kKeys>
void store_sums(const Float (&sums)[kQueries][kKeys], float* scores, int64_t stride) {
  for (int q = 0; q < kQueries; ++q)
    for (int t = 0; t < kKeys; ++t) scores[q * stride + t] = Simd::sum(sums[q][t]);
}

/// scores[q, t] = queries[q] . keys[first + t] for kQueries rows and kKeys rows.
template <int kQueries, int kKeys, class Rows>
void dot(const float* queries, const Rows& keys, int64_t first, int64_t dim, float* scores, int64_t stride,
         Ahead& ahead) {
  Float sums[kQueries][kKeys];
  for (auto& row : sums)
    for (Float& sum : row) sum = Simd::zero();
  for (int64_t i = 0; i < dim; i += Simd::kWidth) {
    ahead.fetch<Rows>(kKeys);
    Float key[kKeys];
    for (int t = 0; t < kKeys; ++t) key[t] = keys.load(first + t, i);
    for (int q = 0; q < kQueries; ++q) {
      Float query = Simd::load(queries + q * dim + i);
      keep(query);
      for (int t = 0; t < kKeys; ++t) sums[q][t] = Simd::fma(query, key[t], sums[q][t]);
    }
  }
  store_sums(sums, scores, stride);
}

/// sum[q] = sum[q] * shrink[q] + sum over t of weights[q, t] * values[first + t], over columns [i, i +
/// kVectors vectors).
template <int kQueries, int kVectors, class Rows>
void add_values(float* sum, const float* shrink, const float* weights, int64_t stride, const Rows& values,
                int64_t first, int64_t tokens, int64_t dim, int64_t i, Ahead& ahead) {
  Float sums[kQueries][kVectors];
  for (int q = 0; q < kQueries; ++q)
    for (int v = 0; v < kVectors; ++v)
      sums[q][v] = Simd::mul(Simd::load(sum + q * dim + i + v * Simd::kWidth), Simd::broadcast(shrink[q]));
  for (int64_t t = 0; t < tokens; ++t) {
    ahead.fetch<Rows>(kVectors);
    Float value[kVectors];
    for (int v = 0; v < kVectors; ++v) value[v] = values.load(first + t, i + v * Simd::kWidth);
    for (int q = 0; q < kQueries; ++q) {
      const Float weight = Simd::broadcast(weights[q * stride + t]);
      for (int v = 0; v < kVectors; ++v) sums[q][v] = Simd::fma(weight, value[v], sums[q][v]);
    }
  }
  for (int q = 0; q < kQueries; ++q)
    for (int v = 0; v < kVectors; ++v) Simd::store(sum + q * dim + i + v * Simd::kWidth, sums[q][v]);
}

/// Turns one query's scores of tokens [begin, end) into weights (0 for the others of [0, padded)), and
/// returns by how much its sum so far shrinks.
float weigh(const QueryTile& tile, int64_t query, float* scores, int64_t begin, int64_t end, int64_t padded) {
  const float hidden = -__builtin_inff();
  for (int64_t t = 0; t < begin; ++t) scores[t] = hidden;
  for (int64_t t = end; t < padded; ++t) scores[t] = hidden;
  if (begin >= end) {
    for (int64_t t = 0; t < padded; ++t) scores[t] = 0;
    return 1.0f;
  }
  Float top = Simd::broadcast(tile.highest[query]);
  for (int64_t t = 0; t < padded; t += Simd::kWidth) {
    Float score = Simd::load(scores + t);
    if (tile.softcap > 0) {
      const Float cap = Simd::broadcast(tile.softcap);
      const Float capped = Simd::mul(cap, tanh(Simd::div(score, cap)));
      score = Simd::where_less(Simd::broadcast(hidden), score, capped, score);
      Simd::store(scores + t, score);
    }
    top = Simd::max(top, score);
  }
  const float highest = Simd::highest(top);
  const Float shift = Simd::broadcast(highest);
  Float total = Simd::zero();
  for (int64_t t = 0; t < padded; t += Simd::kWidth) {
    const Float weight = exp_negative(Simd::sub(Simd::load(scores + t), shift));
    Simd::store(scores + t, weight);
    total = Simd::add(total, weight);
  }
  float shrink = 1;
  if (highest != tile.highest[query]) {  // rare but for the first tiles
    float before[kAttentionPadding] = {};
    Simd::store(before, exp_negative(Simd::broadcast(tile.highest[query] - highest)));
    shrink = before[0];
    tile.highest[query] = highest;
  }
  tile.total[query] = tile.total[query] * shrink + Simd::sum(total);
  return shrink;
}

/// What each query of a group sees of a tile, and what all of them together do.
template <int kQueries>
struct Seen {
  int64_t begins[kQueries], ends[kQueries];
  int64_t begin, end;

  Seen(const QueryTile& tile, int64_t query, int64_t position, int64_t tokens) : begin(tokens), end(0) {
    for (int q = 0; q < kQueries; ++q) {
      const int64_t first = tile.first[query + q] - position;
      const int64_t after = tile.last[query + q] + int64_t{1} - position;
      begins[q] = first > 0 ? first : 0;
      ends[q] = after < tokens ? after : tokens;
      if (begins[q] >= ends[q]) continue;
      begin = begins[q] < begin ? begins[q] : begin;
      end = ends[q] > end ? ends[q] : end;
    }
  }
};

inline int64_t padded_tokens(int64_t tokens) {
  return (tokens + kAttentionPadding - 1) / kAttentionPadding * kAttentionPadding;
}

template <int kQueries, class Rows>
void score_queries(const QueryTile& tile, int64_t query, const Rows& keys, int64_t position, int64_t tokens) {
  // Two rows of f16 give memory the time to bring what is read next (measured).
  constexpr int kKeys = Simd::kManyRegisters && Rows::kBytes != 2 ? 4 : 2;
  const int64_t dim = tile.padded_dim, padded = padded_tokens(tokens);
  const Seen<kQueries> seen(tile, query, position, tokens);
  if (seen.begin >= seen.end) return;

  const float* from = tile.queries + query * dim;
  float* scores = tile.scores + query * padded;
  Ahead ahead(query == 0 ? tile.next : NextRows{}, from);
  int64_t t = seen.begin;
  for (; t + kKeys <= seen.end; t += kKeys)
    dot<kQueries, kKeys>(from, keys, t, dim, scores + t, padded, ahead);
  for (; t < seen.end; ++t) dot<kQueries, 1>(from, keys, t, dim, scores + t, padded, ahead);
  for (int q = 0; q < kQueries; ++q)
    tile.shrink[query + q] =
        weigh(tile, query + q, scores + q * padded, seen.begins[q], seen.ends[q], padded);
}

template <int kQueries, class Rows>
void add_queries(const QueryTile& tile, int64_t query, const Rows& values, int64_t position, int64_t tokens) {
  constexpr int kVectors = Simd::kManyRegisters ? 4 : 2;
  constexpr int64_t kColumns = kVectors * Simd::kWidth;
  const int64_t dim = tile.padded_dim, padded = padded_tokens(tokens);
  const Seen<kQueries> seen(tile, query, position, tokens);
  if (seen.begin >= seen.end) return;

  float* sum = tile.sum + query * dim;
  const float* shrink = tile.shrink + query;
  const float* weights = tile.scores + query * padded + seen.begin;
  const int64_t count = seen.end - seen.begin;
  Ahead ahead(query == 0 ? tile.next : NextRows{}, sum);
  int64_t i = 0;
  for (; i + kColumns <= dim; i += kColumns)
    add_values<kQueries, kVectors>(sum, shrink, weights, padded, values, seen.begin, count, dim, i, ahead);
  for (; i < dim; i += Simd::kWidth)
    add_values<kQueries, 1>(sum, shrink, weights, padded, values, seen.begin, count, dim, i, ahead);
}

void score(const QueryTile& tile, const KvTile& keys, int64_t slot, int64_t position, int64_t tokens) {
  with_rows(keys, tile.count, slot, tokens, [&](const auto& rows) {
    int64_t query = 0;
    for (; query + 4 <= tile.count; query += 4) score_queries<4>(tile, query, rows, position, tokens);
    for (; query < tile.count; ++query) score_queries<1>(tile, query, rows, position, tokens);
  });
}

void add(const QueryTile& tile, const KvTile& values, int64_t slot, int64_t position, int64_t tokens) {
  with_rows(values, tile.count, slot, tokens, [&](const auto& rows) {
    int64_t query = 0;
    for (; query + 4 <= tile.count; query += 4) add_queries<4>(tile, query, rows, position, tokens);
    for (; query < tile.count; ++query) add_queries<1>(tile, query, rows, position, tokens);
  });
}

constexpr AttentionLoops kAttentionLoops{score, add, nullptr};

}  // namespace
}  // namespace halftone::cpu
