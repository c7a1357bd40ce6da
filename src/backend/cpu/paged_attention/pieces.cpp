#include "backend/cpu/paged_attention/pieces.h"

#include <algorithm>

#include "base/checked.h"

namespace halftone::cpu {
namespace {

enum Input : size_t { kQuery, kKey, kValue, kSequences, kBlocks };

/// Parts of a history of so many blocks, at least 1.
int64_t parts_of(int64_t blocks) {
  const int64_t units = std::max<int64_t>(1, ceil_div(blocks, AttentionPieces::kPartBlocks));
  const int64_t far = std::max<int64_t>(0, units - AttentionPieces::kShortParts);
  return units - far / 2;
}

}  // namespace

AttentionPieces::AttentionPieces(const KernelRun& run, const PagedAttentionSpec& spec, int64_t piece_rows,
                                 int64_t heads, int64_t block_tokens)
    : sequences_(run.inputs[kSequences].span<int32_t>()),
      blocks_(run.inputs[kBlocks].span<int32_t>()),
      width_(run.inputs[kBlocks].tensor.shape[1]),
      kv_heads_(spec.kv_heads),
      heads_(heads),
      piece_rows_(piece_rows),
      block_tokens_(block_tokens),
      cut_(most_parts(run.site) > 1) {}

int64_t AttentionPieces::most_parts(const OpSite& site) {
  return site.input_shape(kQuery)[0] > kFewRows ? 1 : parts_of(site.input_shape(kBlocks)[1]);
}

SequenceSpan AttentionPieces::sequence(int64_t s) const {
  const int32_t* row = sequences_.data() + 3 * s;
  return {row[0], row[1], row[2]};
}

int64_t AttentionPieces::parts(int64_t s) const {
  const SequenceSpan span = sequence(s);
  return cut_ ? parts_of(ceil_div(int64_t{span.past} + span.rows, block_tokens_)) : 1;
}

int64_t AttentionPieces::count(int64_t s) const {
  return ceil_div<int64_t>(sequence(s).rows, piece_rows_) * ceil_div(kv_heads_, heads_) * parts(s);
}

int64_t AttentionPieces::count() const {
  int64_t all = 0;
  for (int64_t s = 0; s < sequence_count(); ++s) all += count(s);
  return all;
}

AttentionPiece AttentionPieces::at(int64_t index) const {
  int64_t s = 0;
  for (; index >= count(s); ++s) index -= count(s);
  const int64_t head_groups = ceil_div(kv_heads_, heads_);
  AttentionPiece piece{sequence(s), blocks(s), 0, 0, 0, 0, 0, parts(s)};
  piece.part = index % piece.parts;
  piece.kv_head = index / piece.parts % head_groups * heads_;
  piece.kv_heads = std::min(heads_, kv_heads_ - piece.kv_head);
  piece.row = index / piece.parts / head_groups * piece_rows_;
  piece.rows = std::min<int64_t>(piece_rows_, piece.sequence.rows - piece.row);
  return piece;
}

}  // namespace halftone::cpu
