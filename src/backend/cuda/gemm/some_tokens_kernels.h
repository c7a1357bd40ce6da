#pragma once

#include "backend/cuda/gemm/many_tokens_kernels.h"

namespace halftone::cuda {

/// Up to 16 or 32 rows of A (tokens) times B^T on Tensor Cores, the weights, each read once, being the A
/// operand. A block has some tiles of 16 outputs; its warps share out the columns, and each brings its own
/// part of weights, scales and rows of A by cp.async, so that no warp waits for another before the sums come
/// together. Bounds as many_tokens.
struct SomeTokensArgs {
  WeightsView weights;
  const uint16_t* a;  ///< [m, packed_k]
  const float* back;
  GemmOutput out;
  int tiles;         ///< of a block, at most some_tiles()
  int stages;        ///< steps of 64 columns of a warp that shared memory holds: 2 to 4
  int scale_groups;  ///< groups that a step has columns of, at most: scale_groups()
};
constexpr int kSomeThreads = 256, kSomeWarps = kSomeThreads / kWarp, kSomeColumns = 64;

/// The most tiles of a block: what registers hold the sums of.
HOST_AND_DEVICE constexpr int some_tiles(int tokens) {
  return tokens == 16 ? 8 : 7;
}
/// Of one warp.
HOST_AND_DEVICE constexpr int some_stage_bytes(const WeightsView& w, int tokens, int tiles) {
  const int scales = scale_groups(w, kSomeColumns) * (scale_unit(w) + offset_unit(w));
  return tiles * (step_tile_bytes(w.kind) + scales) + tokens * 128;
}
/// Floats from one row of a warp's sums to the next: what the lanes of a D fragment write meets all banks.
HOST_AND_DEVICE constexpr int some_row_floats(int tiles) {
  return tiles % 2 == 0 ? tiles * kTileRows + 4 : tiles * kTileRows + 20;
}
/// Of all warps, in the place of the stages.
HOST_AND_DEVICE constexpr int some_sum_bytes(int tokens, int tiles) {
  return kSomeWarps * tokens * some_row_floats(tiles) * 4;
}
/// The rows' factors, then the stages.
HOST_AND_DEVICE constexpr int some_shared_bytes(const WeightsView& w, int tokens, int tiles, int stages) {
  const int held = kSomeWarps * stages * some_stage_bytes(w, tokens, tiles);
  const int sums = some_sum_bytes(tokens, tiles);
  return tiles * kTileRows * 4 + (held > sums ? held : sums);
}

DECLARE_DEVICE_KERNEL(some_tokens_int4_16, SomeTokensArgs);
DECLARE_DEVICE_KERNEL(some_tokens_int4_32, SomeTokensArgs);
DECLARE_DEVICE_KERNEL(some_tokens_int8_16, SomeTokensArgs);
DECLARE_DEVICE_KERNEL(some_tokens_int8_32, SomeTokensArgs);
DECLARE_DEVICE_KERNEL(some_tokens_half_16, SomeTokensArgs);
DECLARE_DEVICE_KERNEL(some_tokens_half_32, SomeTokensArgs);

}  // namespace halftone::cuda
