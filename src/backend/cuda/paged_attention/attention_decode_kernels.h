#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Attention of few rows over long histories: flash decoding (Dao et al., 2023) on Tensor Cores, bound by the
/// bytes of keys and values, each of which a row's query heads read once.
///
/// Block (part, group of at most 8 query heads of a KV head, sequence and every `step`-th of its rows). A
/// part is an even share of the tiles of 16 tokens that the row sees; its four warps take them by turns. The
/// heads are rows 0 to 7 of a 16-row product, and what rounding a query or a weight to 16 bits took away is
/// rows 8 to 15: together they are near f32, at no cost. Each warp's keys and values come by asynchronous
/// copies, whole lines of memory at a time and several tiles ahead. Old tokens are asked for before earlier
/// kernels have ended, which touch none of them.
///
/// Where `key` and `value` are given, the parts that see new tokens first put them into the cache, and rows
/// of no sequence get a result of zeros. The part that ends last joins all.
///
/// Needs: dim = value_dim up to the kernel's, a multiple of 8 (int8: 16); block_tokens a power of two from
/// 16 on.
struct AttentionDecodeArgs {
  AttentionView view;
  const float* key;    ///< [rows, kv_heads, dim] that are not in the cache yet; null: all are
  const float* value;  ///< likewise
  float* sums;         ///< [partial rows, heads, parts, dim]
  Vec2* totals;        ///< [partial rows, heads, parts]: exponent that weights are taken from, their sum
  int* ended;          ///< [partial rows, grid_y]: parts; zeros before and after
  int parts;
  int step;          ///< rows of a sequence that stand side by side in the grid
  int most_rows;     ///< sequences of more rows are left alone
  int head_groups;   ///< of one KV head
  bool by_sequence;  ///< partial row: sequence * step + row, otherwise the flat row
};
constexpr int kDecodeThreads = 128;
constexpr int kDecodeTile = 16;       ///< tokens
constexpr int kDecodeLeastTiles = 4;  ///< of a part
/// More of them take longer to join than they save.
constexpr int kDecodeMostParts = 48;
constexpr int kDecodeHeads = 8;
constexpr int kDecodeWarps = kDecodeThreads / kWarp;

/// Keys or values of a tile in shared memory: rows of tokens, their pieces of 16 bytes in an order in which
/// the pieces that eight lanes read at a time lie in different banks.
HOST_AND_DEVICE constexpr int decode_pieces(int dim, int bytes) {  // of a token
  return dim * bytes / 16;
}
template <int kPieces>
DEVICE int decode_key_piece(int token, int piece) {
  return token * kPieces + (kPieces >= 8 ? piece ^ ((token & 1) << 2) : piece);
}
template <int kPieces>
DEVICE int decode_value_piece(int token, int piece) {
  return token * kPieces + (kPieces >= 8 ? piece ^ (token & 6) : piece ^ (token >> 1 & 3));
}
HOST_AND_DEVICE constexpr size_t decode_tile_bytes(int dim, int bytes) {  // of keys and values
  return static_cast<size_t>(2 * kDecodeTile * dim * bytes);
}
/// Tiles that a warp has asked for: 16 KB.
HOST_AND_DEVICE constexpr int decode_ahead(int dim, int bytes) {
  const int fit = static_cast<int>(16 * 1024 / decode_tile_bytes(dim, bytes));
  return fit > 4 ? 4 : fit;
}
/// First the query's fragments, then the tiles of each warp, then their scales. After the last tile: sums
/// and totals of each warp, and at last each part's share.
HOST_AND_DEVICE constexpr size_t decode_tiles_at(int dim) {
  return static_cast<size_t>(dim / 16 * kWarp) * sizeof(Words4);
}
HOST_AND_DEVICE constexpr size_t decode_scales_at(int dim, int bytes) {
  return decode_tiles_at(dim) +
         static_cast<size_t>(kDecodeWarps * decode_ahead(dim, bytes)) * decode_tile_bytes(dim, bytes);
}
HOST_AND_DEVICE constexpr size_t decode_shared(int dim, int bytes) {
  const int scales = bytes == 1 ? kDecodeWarps * decode_ahead(dim, bytes) * 2 * kDecodeTile : 0;
  return decode_scales_at(dim, bytes) + static_cast<size_t>(scales) * sizeof(float);
}
/// Floats between the sums of two heads of a warp: four more than they have, for the banks' sake.
HOST_AND_DEVICE constexpr int decode_sums_step(int dim) {
  return dim + 4;
}
static_assert((kDecodeWarps * kDecodeHeads * (decode_sums_step(64) + 2) + 4) * sizeof(float) <=
              decode_shared(64, 1));
static_assert((kDecodeHeads * kDecodeMostParts + 4) * sizeof(float) <= decode_shared(64, 1));

/// Tiles [begin, end) that a row sees, cut into parts of `each`, so that `parts` have some.
struct DecodeTiles {
  int begin, end, each, parts;
};
DEVICE DecodeTiles decode_tiles(const Seen& seen, int parts) {
  const int begin = seen.first / kDecodeTile, end = (seen.end + kDecodeTile - 1) / kDecodeTile;
  int each = (end - begin + parts - 1) / parts;
  each = each > kDecodeLeastTiles ? each : kDecodeLeastTiles;
  return {begin, end, each, (end - begin + each - 1) / each};
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

}  // namespace halftone::cuda
