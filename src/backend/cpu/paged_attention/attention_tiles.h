#pragma once

#include "backend/cpu/paged_attention/attention_loops.h"

namespace halftone::cpu {

/// Keys and values of one head at successive positions, row by row as they are stored: f16, bf16 or int8.
struct StoredRows {
  static constexpr int64_t kMost = 64;
  KvFormat format;
  int64_t dim;
  int64_t count;
  const std::byte* keys[kMost];
  const std::byte* values[kMost];
  float key_scales[kMost];  ///< int8 only
  float value_scales[kMost];
};

/// Online softmax for many query vectors at once, by an instruction set's matrix tiles. Query vectors are
/// padded to a multiple of kQueries, and rows of them to a multiple of kDim floats; what the padding holds
/// does not matter.
struct AttentionTiles {
  static constexpr int64_t kQueries = 32, kDim = 32;

  int64_t piece_queries;  ///< that go over the cache together, where there are so many
  int64_t least_queries;  ///< from which it is worth while
  /// `queries` and `padded_dim` are multiples of kQueries and kDim; memory is 64-byte aligned.
  size_t (*scratch_bytes)(int64_t queries, int64_t padded_dim);
  /// The codes of 32 tokens in fours as rows [32, dim].
  void (*unfold)(const std::byte* stored, bool keys, int64_t dim, std::byte* rows);
  /// Once for all calls of attend().
  void (*begin)(const QueryTile& tile, std::byte* scratch);
  /// Scores of rows that stand from `position` on, and the sums with their values.
  void (*attend)(const QueryTile& tile, const StoredRows& rows, int64_t position, std::byte* scratch);
};

}  // namespace halftone::cpu
