#pragma once

#include "backend/cuda/paged_attention/score_mask.h"

namespace halftone::cuda {

/// Attention of many rows on Tensor Cores: FlashAttention-2 (Dao, 2023). Block: kPrefillVectors query
/// vectors of one sequence and KV head, numbered row * group + head of the group, a quarter of them a warp.
/// Keys and values pass through shared memory by turns, a tile at a time; each has two products' time to
/// arrive. Scores, weights' sums and results are f32; queries and weights are rounded to the cache's 16-bit
/// type (f16 for int8).
///
/// Blocks are numbered tile * KV heads + KV head. Tiles are counted through the sequences in their order; a
/// sequence's last one, which sees the most, comes first. Sequences of fewer than `least_rows` rows are left
/// alone.
///
/// Needs: dim and value_dim up to the kernel's; tokens that are 16-byte aligned and as long as a multiple of
/// 16 bytes, zeros behind dim; block_tokens a power of two from 16 on, or one block a sequence.
struct AttentionPrefillArgs {
  AttentionView view;
  int least_rows;
};
/// Of sequences without a cache, over keys and values in f16.
struct AttentionMaskedPrefillArgs {
  AttentionView view;
  ScoreMask mask;
};
constexpr int kPrefillThreads = 128;
/// 16 a warp: twice as many would halve what the warps read of keys and values in shared memory, but leave an
/// SM eight warps, too few to hide what each waits for.
constexpr int kPrefillVectors = 64;
HOST_AND_DEVICE constexpr int prefill_tokens(int dim) {
  return dim <= 128 ? 64 : 32;
}
/// Of keys or values in 16 bits.
HOST_AND_DEVICE constexpr size_t prefill_tile_bytes(int dim) {
  return static_cast<size_t>(prefill_tokens(dim) * 2 * dim);
}
/// Queries; three tiles, for int8 (`bytes` 1 each) two and two of codes on their way; int8 scales of keys
/// and values; the block's place.
HOST_AND_DEVICE constexpr size_t prefill_tiles_at(int dim) {
  return static_cast<size_t>(kPrefillVectors * 2 * dim);
}
HOST_AND_DEVICE constexpr size_t prefill_codes_at(int dim) {
  return prefill_tiles_at(dim) + 2 * prefill_tile_bytes(dim);
}
HOST_AND_DEVICE constexpr size_t prefill_scales_at(int dim) {
  return prefill_tiles_at(dim) + 3 * prefill_tile_bytes(dim);
}
HOST_AND_DEVICE constexpr size_t prefill_shared(int dim, int bytes) {
  return prefill_scales_at(dim) + (bytes == 1 ? static_cast<size_t>(2 * prefill_tokens(dim)) * 4 : 0) + 16;
}

#define HALFTONE_PREFILL_KERNELS(_) \
  _(f16, 64)                        \
  _(f16, 128) _(f16, 256) _(bf16, 64) _(bf16, 128) _(bf16, 256) _(int8, 64) _(int8, 128) _(int8, 256)
#define HALFTONE_DECLARE(type, dim) \
  DECLARE_DEVICE_KERNEL(attention_prefill_##type##_##dim, AttentionPrefillArgs);
HALFTONE_PREFILL_KERNELS(HALFTONE_DECLARE)
#undef HALFTONE_DECLARE
DECLARE_DEVICE_KERNEL(attention_prefill_masked_64, AttentionMaskedPrefillArgs);
DECLARE_DEVICE_KERNEL(attention_prefill_masked_128, AttentionMaskedPrefillArgs);
DECLARE_DEVICE_KERNEL(attention_prefill_masked_256, AttentionMaskedPrefillArgs);

}  // namespace halftone::cuda
