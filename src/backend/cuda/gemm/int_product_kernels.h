#pragma once

#include "backend/cuda/gemm/gemm_output.h"
#include "backend/cuda/gemm/int_rows_kernels.h"

namespace halftone::cuda {

/// Integer products (ops/gemm/gemm.h) bit for bit: sums of a segment are exact whatever their order; a thread
/// then takes the segments one after another, each with one fma.
struct IntProductArgs {
  WeightsView weights;
  IntRowsView rows;
  const float* a;  ///< [m, k], for outliers
  GemmOutput out;
  int piece_steps;  ///< few rows: units of a piece
  int pieces;       ///< of the whole, for few rows
  int parts;        ///< pieces of a segment
};

/// Up to 8 rows a block: one tile of outputs (block x), 8 rows (block y). Warps take pieces of the columns (a
/// part of a segment, or a unit of several) and leave their sums in slots of shared memory; after each round
/// of kIntSlots the sums of a segment are added.
constexpr int kIntSlots = 32;
constexpr size_t kFewIntShared = kIntSlots * kTileRows * 8 * sizeof(int);
DECLARE_DEVICE_KERNEL(few_int_int8, IntProductArgs);
DECLARE_DEVICE_KERNEL(few_int_int4, IntProductArgs);
DECLARE_DEVICE_KERNEL(few_int_int2, IntProductArgs);

/// 64 rows (block x) by 128 outputs (block y), 128 threads; both factors come by cp.async, 128 columns at a
/// time.
constexpr int kManyIntRows = 64, kManyIntOutputs = 128, kManyIntColumns = 128;
HOST_AND_DEVICE constexpr int many_int_stages(WeightKind kind) {
  return kind == WeightKind::int8 ? 3 : 4;
}
HOST_AND_DEVICE constexpr int many_int_weight_bytes(WeightKind kind) {
  return kManyIntOutputs * kManyIntColumns /
         (kind == WeightKind::int8   ? 1
          : kind == WeightKind::int4 ? 2
                                     : 4);
}
HOST_AND_DEVICE constexpr int many_int_stage_bytes(WeightKind kind) {
  return many_int_weight_bytes(kind) + kManyIntRows * kManyIntColumns;
}
DECLARE_DEVICE_KERNEL(many_int_int8, IntProductArgs);
DECLARE_DEVICE_KERNEL(many_int_int4, IntProductArgs);
DECLARE_DEVICE_KERNEL(many_int_int2, IntProductArgs);
/// With one segment.
DECLARE_DEVICE_KERNEL(many_int_int8_single, IntProductArgs);

}  // namespace halftone::cuda
