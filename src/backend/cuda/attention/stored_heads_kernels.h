#pragma once

#include "backend/cuda/paged_attention/attention_view.h"

namespace halftone::cuda {

/// Keys, or values, as Tensor Cores' kernels read them: [sequences, heads, length, padded] numbers of 16
/// bits, zeros behind dim. The first `past` positions come from `older`, the others from `fresh`.
struct HeadsSide {
  const void *fresh, *older;
  HeadsView fresh_at, older_at;
  uint16_t* to;
  float* back;  ///< [sequences, heads], of f32: what the numbers were divided by
  int dim, padded;
};
struct StoredHeadsArgs {
  HeadsSide sides[2];
  int* largest;          ///< [2, sequences, heads, chunks], of f32: magnitudes' bits
  const int64_t* valid;  ///< [sequences]: positions from there on become zeros; null: none
  int past, length, heads, sequences;
};
/// Positions of a block.
constexpr int kHeadsChunk = 16;
constexpr int kHeadsThreads = 128;
constexpr size_t kHeadsShared = kWarp * sizeof(int);

// Grid: chunks, heads, keys and then values of the sequences.
/// The largest magnitude of each chunk.
DECLARE_DEVICE_KERNEL(heads_largest, StoredHeadsArgs);
/// f32 as f16 times a power of two of each head, so that its largest magnitude is in [2^14, 2^15).
DECLARE_DEVICE_KERNEL(heads_as_f16, StoredHeadsArgs);
/// Numbers of 16 bits as they are.
DECLARE_DEVICE_KERNEL(heads_as_they_are, StoredHeadsArgs);

}  // namespace halftone::cuda
