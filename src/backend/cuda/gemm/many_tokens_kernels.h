#pragma once

#include "backend/cuda/gemm/gemm_output.h"
#include "backend/cuda/gemm/weights.h"

namespace halftone::cuda {

/// Rows of A as f16 in the packed order of columns, one block a row: times a power of two, so that the
/// largest magnitude is in [2^14, 2^15).
struct HalfRowsArgs {
  const float* a;       ///< [m, k]
  WeightsView weights;  ///< for their order of columns
  uint16_t* rows;       ///< [m, packed_k]
  uint16_t* rest;       ///< what rounding took off, likewise; null: not wanted
  float* back;          ///< [m]: the inverses of the powers
};
constexpr size_t kHalfRowsShared = kWarp * sizeof(int);
DECLARE_DEVICE_KERNEL(half_rows, HalfRowsArgs);

/// Any number of rows of A (tokens) times B^T on Tensor Cores. A block has 128 outputs (block y) and some
/// rows (block x); a warp 32 outputs. Both factors come by cp.async, many_stages() steps of columns at a
/// time; weights are the A operand and become f16 in registers: the codes exactly, then one rounding with
/// their scale. With more than one part (block z) the columns are shared out among them and sum_parts adds
/// up.
///
/// |error| <= 2^-11 (|A| + |B|) in each product: 2^-10 sum |a b| (2^-20 for split; under minima 2^-11 sum
/// (|a minimum|) more).
struct ManyTokensArgs {
  WeightsView weights;
  const uint16_t* a;     ///< [m, packed_k]
  const uint16_t* rest;  ///< for split
  const float* back;
  GemmOutput out;
  float* partial;  ///< [parts][m][n] when there are several
  int parts;
};

constexpr int kManyOutputs = 128;
/// Steps of columns that a block has in shared memory or on their way: about 100 KB at most.
HOST_AND_DEVICE constexpr int many_stages(WeightKind kind) {
  return kind == WeightKind::split ? 2 : kind == WeightKind::half || kind == WeightKind::int2 ? 3 : 4;
}

/// Columns that a stage holds.
HOST_AND_DEVICE constexpr int many_columns(WeightKind kind) {
  return kind == WeightKind::int2 ? 128 : 64;
}
/// Bytes of a stage: weights, then rows of A in pieces of 64 columns.
HOST_AND_DEVICE constexpr int many_weight_bytes(WeightKind kind) {
  const int units = kind == WeightKind::split                                                          ? 8
                    : kind == WeightKind::half                                                         ? 4
                    : kind == WeightKind::int8 || kind == WeightKind::e4m3 || kind == WeightKind::e5m2 ? 2
                                                                                                       : 1;
  return kManyOutputs / kTileRows * units * kUnitBytes;
}
HOST_AND_DEVICE constexpr int many_stage_bytes(WeightKind kind, int tokens) {
  return many_weight_bytes(kind) + tokens * many_columns(kind) * 2 * (kind == WeightKind::split ? 2 : 1);
}

/// many_tokens_KIND_TOKENS: rows of A that a block takes. 128 threads.
#define HALFTONE_MANY_TOKENS(kind, tokens) \
  DECLARE_DEVICE_KERNEL(many_tokens_##kind##_##tokens, ManyTokensArgs)
HALFTONE_MANY_TOKENS(int4, 16);
HALFTONE_MANY_TOKENS(int4, 64);
HALFTONE_MANY_TOKENS(int8, 16);
HALFTONE_MANY_TOKENS(int8, 64);
HALFTONE_MANY_TOKENS(half, 16);
HALFTONE_MANY_TOKENS(half, 64);
HALFTONE_MANY_TOKENS(split, 64);
HALFTONE_MANY_TOKENS(int2, 64);
HALFTONE_MANY_TOKENS(table4, 64);
HALFTONE_MANY_TOKENS(e4m3, 64);
HALFTONE_MANY_TOKENS(e5m2, 64);
#undef HALFTONE_MANY_TOKENS

/// Y from the sums of parts, one thread an element.
struct SumPartsArgs {
  const float* partial;
  int parts;
  GemmOutput out;
};
DECLARE_DEVICE_KERNEL(sum_parts, SumPartsArgs);

}  // namespace halftone::cuda
