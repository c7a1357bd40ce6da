#pragma once

#include "backend/cuda/gemm/gemm_output.h"
#include "backend/cuda/gemm/weights.h"

namespace halftone::cuda {

/// Weights as rows of f16, divided by their row factors, in the packed order of columns. A block takes one
/// tile of outputs (block y, from first_tile on) and kUnpackColumns columns (block x), a warp as many as lie
/// in a unit at a time.
struct UnpackRowsArgs {
  WeightsView weights;
  int first_tile;
  uint16_t* rows;  ///< [16 outputs of each tile, packed_k]
};
constexpr int kUnpackThreads = 128;
constexpr int kUnpackColumns = 1024;
DECLARE_DEVICE_KERNEL(unpack_rows_half, UnpackRowsArgs);
DECLARE_DEVICE_KERNEL(unpack_rows_int8, UnpackRowsArgs);
DECLARE_DEVICE_KERNEL(unpack_rows_int4, UnpackRowsArgs);
DECLARE_DEVICE_KERNEL(unpack_rows_int2, UnpackRowsArgs);
DECLARE_DEVICE_KERNEL(unpack_rows_table4, UnpackRowsArgs);
DECLARE_DEVICE_KERNEL(unpack_rows_e4m3, UnpackRowsArgs);
DECLARE_DEVICE_KERNEL(unpack_rows_e5m2, UnpackRowsArgs);

/// `sums` are those of half_rows times such rows, in f32 (they may lie where Y will): makes Y of them. A
/// thread has four neighbouring outputs (block x) of each grid_y()th row.
struct FinishRowsArgs {
  const float* sums;         ///< [m, n]
  const float* back;         ///< [m]
  const float* row_factors;  ///< [n]
  GemmOutput out;
};
constexpr int kFinishThreads = 256;
DECLARE_DEVICE_KERNEL(finish_rows, FinishRowsArgs);

}  // namespace halftone::cuda
