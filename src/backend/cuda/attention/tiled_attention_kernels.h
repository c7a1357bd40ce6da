#pragma once

#include "backend/cuda/paged_attention/attention_prefill_kernels.h"
#include "backend/cuda/paged_attention/prefill_ends.h"
#include "backend/cuda/paged_attention/score_mask.h"

namespace halftone::cuda {

/// Attention without a cache on Tensor Cores, as attention_prefill has it (whose grid and needs these have):
/// keys and values in f16 or bf16, heads up to 512. Of the view's ends only where they lie counts.
struct TiledAttentionArgs {
  AttentionView view;
  RangedEnds ends;
};
struct MaskedTiledAttentionArgs {
  AttentionView view;
  RangedEnds ends;
  ScoreMask mask;
};
HOST_AND_DEVICE constexpr size_t tiled_attention_shared(int dim) {
  return prefill_shared(dim, 2) + static_cast<size_t>(prefill_vectors(dim)) * sizeof(float);
}

#define HALFTONE_TILED_KERNELS(_) \
  _(f16, 64) _(f16, 128) _(f16, 256) _(f16, 512) _(bf16, 64) _(bf16, 128) _(bf16, 256) _(bf16, 512)
#define HALFTONE_DECLARE(type, dim)                                          \
  DECLARE_DEVICE_KERNEL(attention_tiles_##type##_##dim, TiledAttentionArgs); \
  DECLARE_DEVICE_KERNEL(attention_masked_tiles_##type##_##dim, MaskedTiledAttentionArgs);
HALFTONE_TILED_KERNELS(HALFTONE_DECLARE)
#undef HALFTONE_DECLARE

}  // namespace halftone::cuda
