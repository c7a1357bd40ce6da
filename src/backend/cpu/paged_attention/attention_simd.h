#pragma once

#include "backend/cpu/paged_attention/few_queries_simd.h"
#include "backend/cpu/paged_attention/load_tile_simd.h"

namespace halftone::cpu {
namespace {

template <int kQueries>
void score_queries(const QueryTile& tile, int64_t query, FloatRows& keys, int64_t position, int64_t tokens) {
  const int64_t dim = tile.padded_dim, padded = padded_tokens(tokens);
  const Seen<kQueries> seen(tile, query, position, tokens);
  if (seen.begin >= seen.end) return;
  float* scores = tile.scores + query * padded;
  score_rows<kQueries>(tile.queries + query * dim, keys, seen.begin, seen.end, dim, scores, padded);
  for (int q = 0; q < kQueries; ++q)
    tile.shrink[query + q] =
        weigh(tile, query + q, scores + q * padded, seen.begins[q], seen.ends[q], padded);
}

template <int kQueries>
void add_queries(const QueryTile& tile, int64_t query, FloatRows& values, int64_t position, int64_t tokens) {
  const int64_t dim = tile.padded_dim, padded = padded_tokens(tokens);
  const Seen<kQueries> seen(tile, query, position, tokens);
  if (seen.begin >= seen.end) return;
  add_rows<kQueries>(tile.sum + query * dim, tile.shrink + query, tile.scores + query * padded, padded,
                     values, seen.begin, seen.end, dim);
}

void score(const QueryTile& tile, const KvTile& keys, int64_t slot, int64_t position, int64_t tokens) {
  FloatRows rows = load_tile(keys, slot, slot + tokens);
  int64_t query = 0;
  for (; query + 4 <= tile.count; query += 4) score_queries<4>(tile, query, rows, position, tokens);
  for (; query < tile.count; ++query) score_queries<1>(tile, query, rows, position, tokens);
}

void add(const QueryTile& tile, const KvTile& values, int64_t slot, int64_t position, int64_t tokens) {
  FloatRows rows = load_tile(values, slot, slot + tokens);
  int64_t query = 0;
  for (; query + 4 <= tile.count; query += 4) add_queries<4>(tile, query, rows, position, tokens);
  for (; query < tile.count; ++query) add_queries<1>(tile, query, rows, position, tokens);
}

constexpr AttentionLoops kAttentionLoops{score,         add,     encode_queries, attend_few<1>,
                                         attend_few<2>, nullptr, kReadsFours};

}  // namespace
}  // namespace halftone::cpu
