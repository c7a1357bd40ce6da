#pragma once

#include "backend/cpu/paged_attention/weigh_four_avx512.h"

namespace halftone::cpu {
namespace {

inline Float capped(Float score, float softcap) {
  const Float cap = Simd::broadcast(softcap);
  return Simd::mul(cap, tanh(Simd::div(score, cap)));
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
      score = Simd::where_less(Simd::broadcast(hidden), score, capped(score, tile.softcap), score);
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
  bool whole;  ///< all queries see all tokens

  Seen(const QueryTile& tile, int64_t query, int64_t position, int64_t tokens) : whole(true) {
    for (int q = 0; q < kQueries; ++q)
      whole &= tile.first[query + q] <= position && tile.last[query + q] >= position + tokens - 1;
    if (whole)
      see_all(tokens);
    else
      see_part(tile, query, position, tokens);
  }

 private:
  void see_all(int64_t tokens) {
    begin = 0;
    end = tokens;
    for (int q = 0; q < kQueries; ++q) {
      begins[q] = 0;
      ends[q] = tokens;
    }
  }
  void see_part(const QueryTile& tile, int64_t query, int64_t position, int64_t tokens) {
    begin = tokens;
    end = 0;
    for (int q = 0; q < kQueries; ++q) {
      const int64_t first = tile.first[query + q] - position;
      const int64_t after = tile.last[query + q] + int64_t{1} - position;
      begins[q] = first <= 0 ? 0 : first < tokens ? first : tokens;
      ends[q] = after <= 0 ? 0 : after < tokens ? after : tokens;
      if (begins[q] >= ends[q]) continue;
      begin = begins[q] < begin ? begins[q] : begin;
      end = ends[q] > end ? ends[q] : end;
    }
  }
};

/// weigh() of each query of a group, whose scores are rows of `padded`. Sets their shrink.
template <int kQueries>
void weigh_all(const QueryTile& tile, int64_t query, float* scores, const Seen<kQueries>& seen,
               int64_t padded) {
#if defined(__AVX512F__)
  if (kQueries == 4 && tile.softcap == 0 && seen.whole && seen.end == padded)
    return weigh_four(tile, query, scores, padded);
#endif
  for (int q = 0; q < kQueries; ++q)
    tile.shrink[query + q] =
        weigh(tile, query + q, scores + q * padded, seen.begins[q], seen.ends[q], padded);
}

inline int64_t padded_tokens(int64_t tokens) {
  return (tokens + kAttentionPadding - 1) / kAttentionPadding * kAttentionPadding;
}

}  // namespace
}  // namespace halftone::cpu
