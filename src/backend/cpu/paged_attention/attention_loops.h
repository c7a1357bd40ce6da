#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/paged_attention/kv_cache.h"

namespace halftone::cpu {

/// Rows of tiles and of queries are padded with zeros to a multiple of this many floats.
constexpr int64_t kAttentionPadding = 16;
/// Tokens whose codes lie together in KvOrder::fours.
constexpr int64_t kFoursTokens = KvCache::Layout::kFoursTokens;

/// Keys (or values) of one head in one block of the cache, as stored, and where to put them as floats.
struct KvTile {
  const std::byte* stored;
  const float* scales;  ///< int8 only
  KvFormat format;
  int64_t dim, padded_dim;
  float* floats;  ///< scratch: [rows read, padded_dim]
  /// codes_by_block() only: of keys [dim], of values [tokens, groups]
  KvCodes::Parameters codes = {};
  bool are_keys = false;
  KvOrder order = KvOrder::rows;
};

/// Query vectors that share one KV head, with what online softmax (Milakov and Gimelshein, arXiv:1805.02867)
/// knows of each so far. Rows are [count, padded_dim].
struct QueryTile {
  int64_t count, padded_dim;
  const float* queries;  ///< already times the scale
  float softcap;         ///< 0: none
  int32_t* first;        ///< positions that each query sees: [first, last]
  int32_t* last;
  float* highest;  ///< of the scores; -infinity before any
  float* total;    ///< of e^(score - highest)
  float* sum;      ///< of e^(score - highest) * value
  float*
      scores;  ///< [count, a tile's tokens rounded up to kAttentionPadding]: of the tile, then their weights
  float* shrink;       ///< by how much score() wants each sum shrunk
  int16_t* codes;      ///< queries as integers, [count, padded_dim], for int8 keys; of one byte at the front
                       ///< of each row for keys in fours
  float* code_scales;  ///< which times them are the queries
  int32_t* code_sums;  ///< for keys in fours
};

/// Keys and values of successive heads at positions [position, position + tokens), which are rows of one
/// block, as they are stored. Each head has as many queries of a tile, one head's behind the other's.
struct StoredHeads {
  /// Rows of the first head, and from one head to the next.
  struct Side {
    const std::byte* rows;
    int64_t stride;
    const float* scales;  ///< int8 only
    int64_t scale_stride;
  };
  KvFormat format;
  KvOrder order;
  Side keys, values;
  int64_t front_bytes;     ///< of the scales before each head's keys
  const std::byte* after;  ///< the keys that are read next, with what is before them
  int64_t heads, head_queries;
  int64_t position, tokens;
};

struct AttentionTiles;

/// The loops for one instruction set: the positions [position, position + tokens), which are the rows of a
/// block from `slot` on, for each query that sees them. First its scores with the keys, then its sum with the
/// values: in two calls, so that a cache need hold only one of them.
struct AttentionLoops {
  static constexpr int64_t kFewQueries = 4;   ///< of a head
  static constexpr int64_t kMostTokens = 64;  ///< of a call

  void (*score)(const QueryTile& tile, const KvTile& keys, int64_t slot, int64_t position, int64_t tokens);
  void (*add)(const QueryTile& tile, const KvTile& values, int64_t slot, int64_t position, int64_t tokens);
  /// Sets codes and what belongs to them.
  void (*encode)(const QueryTile& tile);
  /// Both of few queries over keys and values as they are stored: f16, bf16 or int8, dim is padded_dim.
  using Few = void (*)(const QueryTile& tile, const StoredHeads& heads);
  Few few;
  Few few_from_second_cache;              ///< fetches no further than there
  const AttentionTiles* tiles = nullptr;  ///< for many queries; null: none
  bool fours = false;                     ///< reads codes in fours, and these fastest
};

extern const AttentionLoops attention_amx;
extern const AttentionLoops attention_avx512vnni;
extern const AttentionLoops attention_avxvnni;
extern const AttentionLoops attention_avx2;
extern const AttentionLoops attention_neon;

}  // namespace halftone::cpu
