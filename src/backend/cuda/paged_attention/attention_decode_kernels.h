#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Attention of few rows over long histories: flash decoding (Dao et al., 2023) on Tensor Cores, bound by the
/// bytes of keys and values, each of which a row's query heads read once.
///
/// Block (part, group of at most 8 query heads of a KV head, sequence and every `step`-th of its rows). A
/// part is an even share of the tiles of 16 tokens that the row sees; its four warps take them by turns. The
/// heads are rows 0 to 7 of a 16-row product, and what rounding a query or a weight to 16 bits took away is
/// rows 8 to 15: together they are near f32, at no cost. Keys and values go from global memory to the
/// product's fragments by 16-byte loads, without shared memory.
///
/// Needs: dim = value_dim up to the kernel's, a multiple of 8 (int8: 16); block_tokens a power of two from
/// 16 on.
struct AttentionDecodeArgs {
  AttentionView view;
  float* sums;   ///< [partial rows, heads, parts, dim]
  Vec2* totals;  ///< [partial rows, heads, parts]: highest score, sum of the weights
  int parts;
  int step;          ///< rows of a sequence that stand side by side in the grid
  int most_rows;     ///< sequences of more rows are left alone
  int head_groups;   ///< of one KV head
  bool by_sequence;  ///< partial row: sequence * step + row, otherwise the flat row
};
constexpr int kDecodeThreads = 128;
constexpr int kDecodeTile = 16;       ///< tokens
constexpr int kDecodeLeastTiles = 4;  ///< of a part
constexpr int kDecodeHeads = 8;
constexpr int kDecodeWarps = kDecodeThreads / kWarp;
/// The query's fragments, and then each warp's sums in their place.
constexpr size_t decode_shared(int padded_dim) {
  return static_cast<size_t>(kDecodeWarps * kDecodeHeads * padded_dim) * sizeof(float) +
         2 * kDecodeWarps * kDecodeHeads * sizeof(float);
}

/// Tiles [begin, end) that a row sees, cut into parts of `each`.
struct DecodeTiles {
  int begin, end, each;
};
DEVICE DecodeTiles decode_tiles(const Seen& seen, int parts) {
  const int begin = seen.first / kDecodeTile, end = (seen.end + kDecodeTile - 1) / kDecodeTile;
  const int each = (end - begin + parts - 1) / parts;
  return {begin, end, each > kDecodeLeastTiles ? each : kDecodeLeastTiles};
}
DEVICE int64_t partial_row(const AttentionDecodeArgs& args, const Sequence& sequence, int row) {
  return args.by_sequence ? int64_t{sequence.index} * args.step + row : sequence.first_row + row;
}

#define HALFTONE_DECODE_KERNELS(_) \
  _(f16, 64)                       \
  _(f16, 128) _(f16, 256) _(bf16, 64) _(bf16, 128) _(bf16, 256) _(int8, 64) _(int8, 128) _(int8, 256)
#define HALFTONE_DECLARE(type, dim) \
  DECLARE_DEVICE_KERNEL(attention_decode_##type##_##dim, AttentionDecodeArgs);
HALFTONE_DECODE_KERNELS(HALFTONE_DECLARE)
#undef HALFTONE_DECLARE

/// Joins the parts: block (partial row, query head), a thread an element. With `by_sequence` partial rows
/// are `step` for each sequence.
DECLARE_DEVICE_KERNEL(attention_decode_join, AttentionDecodeArgs);
constexpr size_t kDecodeJoinShared = 16;

}  // namespace halftone::cuda
