#pragma once

#include <algorithm>

#include "backend/kernel.h"
#include "ops/paged_attention/paged_attention.h"

namespace halftone::cpu {

/// Some rows of one sequence, for some KV heads, over one part of the history: a thread's unit of work.
struct AttentionPiece {
  SequenceSpan sequence;
  const int32_t* blocks;
  int64_t row, rows;  ///< of the sequence's own
  int64_t kv_head, kv_heads;
  int64_t part, parts;

  bool same_queries(const AttentionPiece& other) const {
    return blocks == other.blocks && row == other.row && kv_head == other.kv_head;
  }
};

/// The pieces of one run, by number. Query vectors that share a KV head go over the cache together, so that
/// reading it is cheap beside the products. Where there are few rows, the history is cut into parts of some
/// blocks each, which do not depend on the number of threads: so neither do the results. Long histories have
/// longer parts behind their first ones, for each part costs as much as reading some blocks. A block has the
/// keys (or values) of its heads one behind the other, and memory is fastest in long pieces: where rows are
/// few, heads go together.
class AttentionPieces {
 public:
  static constexpr int64_t kFewRows = 8;  ///< rows in a run up to which histories are cut
  static constexpr int64_t kPartBlocks = 16;
  static constexpr int64_t kShortParts = 4;  ///< the others are twice as long

  /// Pieces of up to `piece_rows` rows and `heads` KV heads.
  AttentionPieces(const KernelRun& run, const PagedAttentionSpec& spec, int64_t piece_rows, int64_t heads,
                  int64_t block_tokens);

  /// The first block of a part.
  static int64_t part_begin(int64_t part) {
    return kPartBlocks * (part + std::max<int64_t>(0, part - kShortParts));
  }
  /// Parts that a history can have, by the shapes alone.
  static int64_t most_parts(const OpSite& site);

  int64_t sequence_count() const { return static_cast<int64_t>(sequences_.size() / 3); }
  SequenceSpan sequence(int64_t s) const;
  const int32_t* blocks(int64_t s) const { return blocks_.data() + s * width_; }
  int64_t parts(int64_t s) const;
  int64_t count() const;
  AttentionPiece at(int64_t index) const;

 private:
  int64_t count(int64_t s) const;

  std::span<const int32_t> sequences_;
  std::span<const int32_t> blocks_;
  int64_t width_;
  int64_t kv_heads_, heads_;
  int64_t piece_rows_;
  int64_t block_tokens_;
  bool cut_;
};

}  // namespace halftone::cpu
