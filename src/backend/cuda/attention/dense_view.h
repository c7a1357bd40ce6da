#pragma once

#include "backend/cuda/attention/attention_extents.h"
#include "backend/cuda/launch.h"
#include "backend/kernel.h"

namespace halftone::cuda {

/// Attention without a cache, but for its keys and values: one block a sequence.
AttentionView dense_view(const KernelRun& run, const AttentionExtents& e);

/// Keys or values, numbers of `number_bytes` bytes, where they lie. The kernels that read them do not write.
KvSide dense_side(const Operand& operand, const HeadsExtent& e, size_t number_bytes);

/// Empty where positions alone say what is seen, and Y alone is asked for.
Refusal more_than_dense(const OpSite& site);

}  // namespace halftone::cuda
