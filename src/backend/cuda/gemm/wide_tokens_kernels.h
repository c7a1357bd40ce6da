#pragma once

#include "backend/cuda/gemm/many_tokens_kernels.h"

namespace halftone::cuda {

/// many_tokens for compute capability 9.0 and many rows, by warpgroups (device/warpgroup.h): a tile of Y is
/// kWideOutputs outputs, half of them each warpgroup's, by 64 or 128 rows. Rows of A lie as_fragments
/// (half_rows). Weights become f16 in the registers of the A operand while the Tensor Cores still work on the
/// columns before. Bounds as many_tokens.
constexpr int kWideOutputs = 256, kWideThreads = 256;
constexpr int kWideTiles = kWideOutputs / kTileRows;

/// Columns of a step: what is done once a step should be little beside its products, and three steps should
/// fit.
HOST_AND_DEVICE constexpr int wide_columns(WeightKind kind) {
  return kind == WeightKind::int4 ? 128 : 64;
}
HOST_AND_DEVICE constexpr int wide_tile_bytes(WeightKind kind) {
  return wide_columns(kind) / 64 * step_tile_bytes(kind);
}
/// A multiple of 1024, where swizzled rows have to begin.
HOST_AND_DEVICE constexpr int wide_stage_bytes(const WeightsView& w, int tokens) {
  const int columns = wide_columns(w.kind);
  const int scales = kWideTiles * scale_groups(w, columns) * (scale_unit(w) + offset_unit(w));
  return (tokens * columns * 2 + kWideTiles * wide_tile_bytes(w.kind) + scales + 1023) / 1024 * 1024;
}
HOST_AND_DEVICE constexpr int wide_sum_bytes(int tokens) {
  return (kWideOutputs + 4) * tokens * 4;
}

DECLARE_DEVICE_KERNEL(wide_tokens_int4_64, ManyTokensArgs);
DECLARE_DEVICE_KERNEL(wide_tokens_int4_128, ManyTokensArgs);
DECLARE_DEVICE_KERNEL(wide_tokens_int8_64, ManyTokensArgs);
DECLARE_DEVICE_KERNEL(wide_tokens_int8_128, ManyTokensArgs);
DECLARE_DEVICE_KERNEL(wide_tokens_half_64, ManyTokensArgs);
DECLARE_DEVICE_KERNEL(wide_tokens_half_128, ManyTokensArgs);
// Of PictureRows by f16.
DECLARE_DEVICE_KERNEL(wide_windows_64, ManyTokensArgs);
DECLARE_DEVICE_KERNEL(wide_windows_128, ManyTokensArgs);

}  // namespace halftone::cuda
