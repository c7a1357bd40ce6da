#pragma once

#include "backend/cuda/device/floats.h"
#include "backend/cuda/gemm/weights.h"

namespace halftone::cuda {

/// Rows of A as f16 in the packed order of columns, one block a row: times a power of two, so that the
/// largest magnitude is in [2^14, 2^15).
struct HalfRowsArgs {
  Floats a;             ///< [m, k]
  WeightsView weights;  ///< for their order of columns
  uint16_t* rows;       ///< [m, packed_k]
  uint16_t* rest;       ///< what rounding took off, likewise; null: not wanted
  float* back;          ///< [m]: the inverses of the powers
  int* zeros;           ///< that the first block sets to 0: counters of the kernel that follows
  int zero_count;
  bool as_fragments;  ///< within each block the columns lie as the steps of a fragment want them, so that B
                      ///< of warpgroup products (device/warpgroup.h) meets weights as WeightsView has them
  bool wide;  ///< k a multiple of 8, in the matrix's order, all 16-byte aligned, and the block's threads have
              ///< a row by kHalfRowsPasses times kHalfRowsColumns
};
/// Where column p of a row, an even one, lies as_fragments.
HOST_AND_DEVICE constexpr int fragment_place(int p) {
  const int column = p % kBlockColumns, owner = column / 8, step = column % 8 / 4, second = column % 4 / 2;
  return p - column + 16 * step + 8 * second + 2 * owner;
}
constexpr int kHalfRowsColumns = 8, kHalfRowsPasses = 4;
constexpr size_t kHalfRowsShared = kWarp * sizeof(int);
DECLARE_DEVICE_KERNEL(half_rows, HalfRowsArgs);

}  // namespace halftone::cuda
