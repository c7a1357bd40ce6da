#pragma once

#include "backend/cuda/device/device.h"
#include "backend/cuda/gemm/weights.h"

namespace halftone::cuda {

/// Rows of A as signed bytes, and what integer products need of them (ops/gemm/gemm.h, scheme/dynamic.h).
///
/// The packed columns of weights are cut into segments of `segment` columns, each with one scale of B and one
/// of A. Codes lie so that a lane's 16 bytes are its columns of two blocks: column p of 64 is at (p % 32 / 8)
/// * 16 + p / 32 * 8 + p % 8 / 4 * 4, plus the byte of a quad (weights.h).
struct IntRowsView {
  int8_t* codes;  ///< [m, packed_k]
  int* sums;      ///< [segments, m] of codes
  float* scales;  ///< [m, groups]
  int segment;    ///< columns
  int segments;
  int group;   ///< packed columns that share a scale
  int groups;  ///< 1: one scale a row, which then is applied to the sum of all segments
  /// Columns that stay floating (LLM.int8()); null where there is no threshold.
  int* outliers;  ///< ascending
  int* outlier_count;
};

/// One block a row.
struct QuantizeRowsArgs {
  const float* a;  ///< [m, k]
  int m;
  WeightsView weights;  ///< for their order of columns
  IntRowsView rows;
  const uint8_t* flags;  ///< [k]: outliers; null: none
};
constexpr size_t kQuantizeRowsShared = kWarp * sizeof(int);
DECLARE_DEVICE_KERNEL(quantize_rows, QuantizeRowsArgs);

/// Flags the columns with a magnitude of at least `threshold`, one thread a column.
struct FlagOutliersArgs {
  const float* a;
  int m, k;
  float threshold;
  uint8_t* flags;
};
DECLARE_DEVICE_KERNEL(flag_outliers, FlagOutliersArgs);

/// Lists flagged columns in their order; one block.
struct ListOutliersArgs {
  const uint8_t* flags;
  int k;
  int* outliers;
  int* count;
};
constexpr size_t kListOutliersShared = kWarp * sizeof(int);
DECLARE_DEVICE_KERNEL(list_outliers, ListOutliersArgs);

}  // namespace halftone::cuda
