#pragma once

#include "backend/cpu/paged_attention/load_tile_simd.h"
#include "backend/cpu/simd_math.h"

namespace halftone::cpu {
namespace {

/// scores[q, t] = queries[q] . keys[t] for kQueries rows and kKeys rows.
template <int kQueries, int kKeys>
void dot(const float* queries, const float* keys, int64_t dim, float* scores, int64_t stride) {
  Float sums[kQueries][kKeys];
  for (auto& row : sums)
    for (Float& sum : row) sum = Simd::zero();
  for (int64_t i = 0; i < dim; i += Simd::kWidth) {
    Float key[kKeys];
    for (int t = 0; t < kKeys; ++t) key[t] = Simd::load(keys + t * dim + i);
    for (int q = 0; q < kQueries; ++q) {
      const Float query = Simd::load(queries + q * dim + i);
      for (int t = 0; t < kKeys; ++t) sums[q][t] = Simd::fma(query, key[t], sums[q][t]);
    }
  }
  for (int q = 0; q < kQueries; ++q)
    for (int t = 0; t < kKeys; ++t) scores[q * stride + t] = Simd::sum(sums[q][t]);
}

/// sum[q] = sum[q] * shrink[q] + sum over t of weights[q, t] * values[t], over columns [i, i + kVectors
/// vectors).
template <int kQueries, int kVectors>
void add_values(float* sum, const float* shrink, const float* weights, int64_t stride, const float* values,
                int64_t tokens, int64_t dim, int64_t i) {
  Float sums[kQueries][kVectors];
  for (int q = 0; q < kQueries; ++q)
    for (int v = 0; v < kVectors; ++v)
      sums[q][v] = Simd::mul(Simd::load(sum + q * dim + i + v * Simd::kWidth), Simd::broadcast(shrink[q]));
  for (int64_t t = 0; t < tokens; ++t) {
    Float value[kVectors];
    for (int v = 0; v < kVectors; ++v) value[v] = Simd::load(values + t * dim + i + v * Simd::kWidth);
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
    const Float weight = exp(Simd::sub(Simd::load(scores + t), shift));
    Simd::store(scores + t, weight);
    total = Simd::add(total, weight);
  }
  float before[kAttentionPadding] = {};
  Simd::store(before, exp(Simd::broadcast(tile.highest[query] - highest)));
  tile.total[query] = tile.total[query] * before[0] + Simd::sum(total);
  tile.highest[query] = highest;
  return before[0];
}

template <int kQueries>
void attend_queries(const QueryTile& tile, int64_t query, const float* keys, const float* values,
                    int64_t position, int64_t tokens) {
  constexpr int kKeys = Simd::kManyRegisters ? 4 : 2;
  constexpr int kVectors = Simd::kManyRegisters ? 4 : 2;
  const int64_t dim = tile.padded_dim;
  const int64_t padded = (tokens + kAttentionPadding - 1) / kAttentionPadding * kAttentionPadding;

  // What each query of the group sees of this tile, and what all of them together do.
  int64_t begins[kQueries], ends[kQueries];
  int64_t begin = tokens, end = 0;
  for (int q = 0; q < kQueries; ++q) {
    const int64_t first = tile.first[query + q] - position;
    const int64_t after = tile.last[query + q] + int64_t{1} - position;
    begins[q] = first > 0 ? first : 0;
    ends[q] = after < tokens ? after : tokens;
    if (begins[q] >= ends[q]) continue;
    begin = begins[q] < begin ? begins[q] : begin;
    end = ends[q] > end ? ends[q] : end;
  }
  if (begin >= end) return;

  const float* from = tile.queries + query * dim;
  int64_t t = begin;
  for (; t + kKeys <= end; t += kKeys)
    dot<kQueries, kKeys>(from, keys + t * dim, dim, tile.scores + t, padded);
  for (; t < end; ++t) dot<kQueries, 1>(from, keys + t * dim, dim, tile.scores + t, padded);

  float shrink[kQueries];
  for (int q = 0; q < kQueries; ++q)
    shrink[q] = weigh(tile, query + q, tile.scores + q * padded, begins[q], ends[q], padded);

  float* sum = tile.sum + query * dim;
  const float* weights = tile.scores + begin;
  int64_t i = 0;
  for (; i + kVectors * Simd::kWidth <= dim; i += kVectors * Simd::kWidth)
    add_values<kQueries, kVectors>(sum, shrink, weights, padded, values + begin * dim, end - begin, dim, i);
  for (; i < dim; i += Simd::kWidth)
    add_values<kQueries, 1>(sum, shrink, weights, padded, values + begin * dim, end - begin, dim, i);
}

void attend(const QueryTile& tile, const float* keys, const float* values, int64_t position, int64_t tokens) {
  int64_t query = 0;
  for (; query + 4 <= tile.count; query += 4) attend_queries<4>(tile, query, keys, values, position, tokens);
  for (; query < tile.count; ++query) attend_queries<1>(tile, query, keys, values, position, tokens);
}

constexpr AttentionLoops kAttentionLoops{load_tile, attend};

}  // namespace
}  // namespace halftone::cpu
