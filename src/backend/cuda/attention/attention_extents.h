#pragma once

#include "backend/cuda/paged_attention/attention_view.h"
#include "ops/attention/attention.h"

namespace halftone::cuda {

/// Inputs of Attention.
enum AttentionInput : size_t {
  kAttentionKeys = 1,
  kAttentionValues,
  kAttentionMask,
  kAttentionPastKeys,
  kAttentionPastValues,
  kAttentionValidKeys
};

/// Positions before those of the keys of this run.
inline int64_t past_length(const OpSite& site) {
  return site.has_input(kAttentionPastKeys) ? site.input_shape(kAttentionPastKeys)[2] : 0;
}

inline HeadsView heads_view(const HeadsExtent& e) {
  return e.packed ? HeadsView{e.length * e.heads * e.dim, e.heads * e.dim, e.dim}
                  : HeadsView{e.heads * e.length * e.dim, e.dim, e.length * e.dim};
}

/// The sizes of one use.
struct AttentionExtents {
  HeadsExtent q, k, v, y;

  explicit AttentionExtents(const OpSite& site)
      : q(heads_extent(site, 0, "q_num_heads")),
        k(heads_extent(site, 1, "kv_num_heads")),
        v(heads_extent(site, 2, "kv_num_heads")),
        y(q) {
    y.dim = v.dim;
  }
};

}  // namespace halftone::cuda
