#pragma once

#include "backend/cuda/paged_attention/attention_decode_kernels.h"
#include "backend/cuda/paged_attention/attention_plain_kernels.h"
#include "backend/cuda/paged_attention/attention_prefill_kernels.h"
#include "backend/cuda/paged_attention/kv_store_kernels.h"
#include "ops/paged_attention/kv_cache.h"

namespace halftone::cuda {

/// The kernels for one format of keys and values and one length of heads.
struct AttentionKernels {
  const DeviceKernel<KvStoreArgs>* store;
  const DeviceKernel<AttentionView>* plain;
  const DeviceKernel<AttentionDecodeArgs>* decode;    ///< null: these heads are not for Tensor Cores
  const DeviceKernel<AttentionPrefillArgs>* prefill;  ///< null: likewise
  int padded_dim;                                     ///< of decode and prefill
  int element_bytes;                                  ///< of a number in the cache
};
/// UnsupportedError for int4.
AttentionKernels attention_kernels(KvFormat format, int dim);

}  // namespace halftone::cuda
