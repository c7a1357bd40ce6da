#pragma once

#include "backend/cuda/gemm/gemm_output.h"
#include "backend/cuda/gemm/weights.h"

namespace halftone::cuda {

/// Rows of A that are the windows of a channels-last picture of f16, [pictures][height][width][channels]: a
/// window's columns are tap * channels + channel, and 0 where it leaves the picture. channels is a multiple
/// of 32; as_fragments (half_rows) for wide_tokens.
struct PictureRows {
  const uint16_t* x;
  int height, width, channels;
  int out_width, out_places;  ///< of a picture of Y
  int kernel_height, kernel_width;
  int stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
};

/// Any number of rows of A (tokens) times B^T on Tensor Cores, the weights being the A operand. A tile of Y
/// is many_outputs() outputs by a kernel's number of rows. Its product is cut along k into steps of
/// many_columns() columns; the steps of all tiles, one tile after another, are shared out evenly among the
/// blocks (stream-K), so that a block may end one tile and begin the next. A block whose steps are all of a
/// tile's stores its part of Y; otherwise the last to arrive of those that share it adds up what they left in
/// `partial`, always in the order of k.
///
/// Weights, scales and rows of A come by cp.async, args.stages steps at a time. A warp has 64 outputs by all
/// rows of the tile, and half of a step's columns. Weights become f16 in registers.
///
/// |error| <= 2^-11 (|A| + |B|) in each product: 2^-10 sum |a b| (2^-20 for split; under minima 2^-11 sum
/// (|a minimum|) more; under a shared zero, where a weight is one fused product and sum of its code, 2^-18 of
/// the row's largest weight for what is below 2^-7 of it).
struct ManyTokensArgs {
  WeightsView weights;
  const uint16_t* a;     ///< [m, packed_k]
  const uint16_t* rest;  ///< for split
  const float* back;     ///< null: none
  GemmOutput out;
  float* partial;       ///< [blocks][2][sums of a tile]: of a tile begun before, and of one not ended
  int* arrived;         ///< [tiles of Y], zeros at first
  PictureRows picture;  ///< of convolutions, in the place of a and back
  int stages;           ///< that shared memory holds: 2 to 4 of many_tokens, 3 to 5 of wide_tokens
  int scale_groups;     ///< groups that a step has columns of, at most: scale_groups()
  const float* exact;   ///< what the picture is rounded from, for windows beyond f16's range; null: nothing
};

/// Two warps of each share the columns.
HOST_AND_DEVICE constexpr int many_output_warps(WeightKind kind) {
  return kind == WeightKind::split ? 2 : 4;
}
HOST_AND_DEVICE constexpr int many_threads(WeightKind kind) {
  return 2 * many_output_warps(kind) * kWarp;
}
constexpr int kWarpTiles = 4;  ///< of 16 outputs, of a warp
HOST_AND_DEVICE constexpr int many_outputs(WeightKind kind) {
  return many_output_warps(kind) * kWarpTiles * kTileRows;
}
/// Bytes of a tile of Y in shared memory.
HOST_AND_DEVICE constexpr int many_sum_bytes(WeightKind kind, int tokens) {
  return (many_outputs(kind) + 4) * tokens * 4;
}
/// Floats from one row of that to the next: what the lanes of a D fragment write meets all banks.
template <class S>
constexpr int kTileRowFloats = S::kOutputs + 4;
/// Columns of a step.
HOST_AND_DEVICE constexpr int many_columns(WeightKind kind) {
  return kind == WeightKind::int4 || kind == WeightKind::int2 || kind == WeightKind::table4 ? 128 : 64;
}
/// Bytes of a tile's weights in a step.
HOST_AND_DEVICE constexpr int many_tile_bytes(WeightKind kind) {
  return kind == WeightKind::int2    ? kUnitBytes
         : kind == WeightKind::half  ? 4 * kUnitBytes
         : kind == WeightKind::split ? 8 * kUnitBytes
                                     : 2 * kUnitBytes;
}
HOST_AND_DEVICE constexpr int many_weight_bytes(WeightKind kind) {
  return many_outputs(kind) / kTileRows * many_tile_bytes(kind);
}
HOST_AND_DEVICE constexpr int many_row_bytes(WeightKind kind, int tokens) {
  return tokens * many_columns(kind) * 2 * (kind == WeightKind::split ? 2 : 1);
}
/// Groups of scales that `columns` of a step can lie in.
HOST_AND_DEVICE constexpr int scale_groups(const WeightsView& w, int columns) {
  const int blocks = columns / kBlockColumns, group = w.group / kBlockColumns;
  if (!w.scales) return 0;
  if (group % blocks == 0 || w.groups == 1) return 1;
  return blocks % group == 0 ? blocks / group : (blocks - 1 + group - 1) / group + 1;
}
/// Bytes of a group's scales of a tile, and of its zeros or minima.
HOST_AND_DEVICE constexpr int scale_unit(const WeightsView& w) {
  return kTileRows * (w.f32_scales ? 4 : 2);
}
HOST_AND_DEVICE constexpr int offset_unit(const WeightsView& w) {
  return w.offset_kind == OffsetKind::zeros    ? kTileRows
         : w.offset_kind == OffsetKind::minima ? scale_unit(w)
                                               : 0;
}
HOST_AND_DEVICE constexpr int many_stage_bytes(const WeightsView& w, int tokens) {
  const int scales = many_outputs(w.kind) / kTileRows * scale_groups(w, many_columns(w.kind)) *
                     (scale_unit(w) + offset_unit(w));
  return many_weight_bytes(w.kind) + many_row_bytes(w.kind, tokens) + scales;
}

/// Bytes of a tile's weights in a step of 64 columns, of codes of 4 and 8 bits and numbers of 16.
HOST_AND_DEVICE constexpr int step_tile_bytes(WeightKind kind) {
  return kind == WeightKind::half ? 4 * kUnitBytes : kind == WeightKind::int4 ? kUnitBytes : 2 * kUnitBytes;
}

/// many_tokens_KIND_TOKENS: rows of a tile of Y. many_threads() threads.
#define HALFTONE_MANY_TOKENS(kind, tokens) \
  DECLARE_DEVICE_KERNEL(many_tokens_##kind##_##tokens, ManyTokensArgs)
HALFTONE_MANY_TOKENS(int4, 64);
HALFTONE_MANY_TOKENS(int8, 64);
HALFTONE_MANY_TOKENS(half, 64);
HALFTONE_MANY_TOKENS(split, 64);
HALFTONE_MANY_TOKENS(int2, 16);
HALFTONE_MANY_TOKENS(int2, 64);
HALFTONE_MANY_TOKENS(table4, 16);
HALFTONE_MANY_TOKENS(table4, 64);
HALFTONE_MANY_TOKENS(e4m3, 64);
HALFTONE_MANY_TOKENS(e5m2, 64);
#undef HALFTONE_MANY_TOKENS
DECLARE_DEVICE_KERNEL(many_windows_64, ManyTokensArgs);  ///< of PictureRows by f16

}  // namespace halftone::cuda
