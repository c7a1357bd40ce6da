#pragma once

#include "backend/cuda/gemm/gemm_output.h"
#include "backend/cuda/gemm/weights.h"

namespace halftone::cuda {

/// Up to 8 rows of A (tokens) times B^T, the weights read once. A block has one tile of 16 outputs (block x)
/// and 8 rows (block y); its warps share out the columns. Weights are the A operand of m16n8k16, the 8 rows
/// the B operand, so one row costs what eight do, and that is little beside the reading.
///
/// A warp scales its part of each row by a power of two (the largest magnitude comes into [2^14, 2^15)) and
/// rounds it to f16 in its own shared memory; WeightKind::split keeps what was rounded off as a second f16.
/// Code sums of a group are f32; its scale is applied to them there. So besides f32 sums there is one
/// rounding, that of A: |error| <= 2^-11 sum |a b| (2^-21 for split), and 2^-25 of the row's largest
/// magnitude for what is far below it.
struct FewTokensArgs {
  WeightsView weights;
  const float* a;  ///< [m, k]
  GemmOutput out;
  int round_columns;  ///< of A that a warp holds at a time, a multiple of what it takes in a step
};

/// Halves from one row of A to the next in shared memory: 64 bytes more than a multiple of 128, so that the
/// 16-byte reads of eight lanes, of two rows, meet all banks.
HOST_AND_DEVICE constexpr int few_tokens_stride(int round_columns) {
  return (round_columns + 63) / 64 * 64 + 32;
}
/// Bytes of shared memory of one warp.
HOST_AND_DEVICE constexpr int few_tokens_warp_bytes(int round_columns, int rows, bool split) {
  const int held = few_tokens_stride(round_columns) * rows * 2 * (split ? 2 : 1);
  const int sums = kTileRows * 8 * 4;
  return held > sums ? held : sums;
}

DECLARE_DEVICE_KERNEL(few_tokens_split, FewTokensArgs);
DECLARE_DEVICE_KERNEL(few_tokens_f16, FewTokensArgs);
DECLARE_DEVICE_KERNEL(few_tokens_int8, FewTokensArgs);
DECLARE_DEVICE_KERNEL(few_tokens_int4, FewTokensArgs);
DECLARE_DEVICE_KERNEL(few_tokens_int2, FewTokensArgs);
DECLARE_DEVICE_KERNEL(few_tokens_table4, FewTokensArgs);
DECLARE_DEVICE_KERNEL(few_tokens_e4m3, FewTokensArgs);
DECLARE_DEVICE_KERNEL(few_tokens_e5m2, FewTokensArgs);

}  // namespace halftone::cuda
