#pragma once

#include "backend/cuda/attention/attention_extents.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/paged_attention/score_mask.h"
#include "backend/kernel.h"

namespace halftone::cuda {

/// Attention without a cache on Tensor Cores (tiled_attention_kernels.h). f32 keys and values become f16, in
/// the workspace; those of 16 bits are read where they lie unless a past comes before them or their heads'
/// pieces are no multiple of 16 bytes.
bool takes_tiles(const AttentionExtents& e);
size_t tiled_attention_workspace(const OpSite& site);
/// `mask`: null where positions alone say what is seen.
void run_tiled_attention(Device& device, const KernelRun& run, const ScoreMask* mask);

}  // namespace halftone::cuda
