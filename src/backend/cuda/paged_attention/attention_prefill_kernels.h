#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Attention of many rows on Tensor Cores: FlashAttention-2 (Dao, 2023). Block (tile, KV head):
/// prefill_vectors() query vectors of one sequence and KV head, numbered row * group + head of the group, a
/// quarter of them a warp; keys and values pass through shared memory, a tile at a time, each while the other
/// is multiplied. Scores, weights' sums and results are f32; queries and weights are rounded to the cache's
/// 16-bit type (f16 for int8).
///
/// Tiles are counted through the sequences in their order; a sequence's last one, which sees the most, comes
/// first. Sequences of fewer than `least_rows` rows are left alone.
///
/// Needs: dim and value_dim up to the kernel's; tokens that are 16-byte aligned and as long as a multiple of
/// 16 bytes, zeros behind dim; block_tokens a power of two, or one block a sequence.
struct AttentionPrefillArgs {
  AttentionView view;
  int least_rows;
};
constexpr int kPrefillThreads = 128;
/// Two times 16 a warp halve what the warps read of keys and values in shared memory; with 256 elements the
/// sums leave no registers for them.
constexpr int prefill_vectors(int dim) {
  return dim <= 128 ? 128 : 64;
}
constexpr int prefill_tokens(int dim) {
  return dim <= 64 ? 64 : 32;
}
/// Bytes from one token or vector to the next in shared memory: 16 more than its own, so that eight of them
/// lie in different banks.
constexpr int prefill_row_bytes(int dim) {
  return 2 * dim + 16;
}
/// Keys, values, queries, int8 scales of both, the tile's place.
constexpr size_t prefill_shared(int dim) {
  return static_cast<size_t>((2 * prefill_tokens(dim) + prefill_vectors(dim)) * prefill_row_bytes(dim) +
                             2 * prefill_tokens(dim) * 4 + 16);
}

#define HALFTONE_PREFILL_KERNELS(_) \
  _(f16, 64)                        \
  _(f16, 128) _(f16, 256) _(bf16, 64) _(bf16, 128) _(bf16, 256) _(int8, 64) _(int8, 128) _(int8, 256)
#define HALFTONE_DECLARE(type, dim) \
  DECLARE_DEVICE_KERNEL(attention_prefill_##type##_##dim, AttentionPrefillArgs);
HALFTONE_PREFILL_KERNELS(HALFTONE_DECLARE)
#undef HALFTONE_DECLARE

}  // namespace halftone::cuda
