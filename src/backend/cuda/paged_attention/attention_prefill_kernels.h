#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

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
/// 16 a warp: twice as many would halve what the warps read of keys and values in shared memory, but leave an
/// SM eight warps, too few to hide what each waits for. Beyond 256 elements four warps have the same 16: a
/// lane's results of all elements would take more registers than there are.
HOST_AND_DEVICE constexpr int prefill_vectors(int dim) {
  return dim <= 256 ? 64 : 32;
}
HOST_AND_DEVICE constexpr int prefill_parts(int dim) {
  return dim <= 256 ? 1 : 4;
}
HOST_AND_DEVICE constexpr int prefill_threads(int dim) {
  return prefill_vectors(dim) / 16 * prefill_parts(dim) * kWarp;
}
/// Of the paged kernels, up to 256 elements.
constexpr int kPrefillThreads = prefill_threads(256), kPrefillVectors = prefill_vectors(256);
HOST_AND_DEVICE constexpr int prefill_tokens(int dim) {
  return dim <= 128 ? 64 : 32;
}
/// Of keys or values in 16 bits.
HOST_AND_DEVICE constexpr size_t prefill_tile_bytes(int dim) {
  return static_cast<size_t>(prefill_tokens(dim) * 2 * dim);
}
/// Queries; three tiles, for int8 (`bytes` 1 each) two and two of codes on their way; int8 scales of keys
/// and values; the block's place. Beyond 256 elements: two tiles (queries begin in the second and stay in
/// registers) and the parts' scores; 81 KB, as chips of compute 8.6 and 8.9 have 99.
HOST_AND_DEVICE constexpr size_t prefill_tiles_at(int dim) {
  return dim <= 256 ? static_cast<size_t>(prefill_vectors(dim) * 2 * dim) : 0;
}
HOST_AND_DEVICE constexpr size_t prefill_codes_at(int dim) {
  return prefill_tiles_at(dim) + 2 * prefill_tile_bytes(dim);
}
HOST_AND_DEVICE constexpr size_t prefill_scales_at(int dim) {
  return prefill_tiles_at(dim) + (dim <= 256 ? 3 : 2) * prefill_tile_bytes(dim);
}
HOST_AND_DEVICE constexpr size_t prefill_shared(int dim, int bytes) {
  const int scores = dim <= 256 ? 0 : prefill_vectors(dim) * prefill_parts(dim) * prefill_tokens(dim);
  const int scales = bytes == 1 ? 2 * prefill_tokens(dim) : 0;
  return prefill_scales_at(dim) + static_cast<size_t>(scores + scales) * 4 + 16;
}

#define HALFTONE_PREFILL_KERNELS(_) \
  _(f16, 64)                        \
  _(f16, 128) _(f16, 256) _(bf16, 64) _(bf16, 128) _(bf16, 256) _(int8, 64) _(int8, 128) _(int8, 256)
#define HALFTONE_DECLARE(type, dim) \
  DECLARE_DEVICE_KERNEL(attention_prefill_##type##_##dim, AttentionPrefillArgs);
HALFTONE_PREFILL_KERNELS(HALFTONE_DECLARE)
#undef HALFTONE_DECLARE

}  // namespace halftone::cuda
