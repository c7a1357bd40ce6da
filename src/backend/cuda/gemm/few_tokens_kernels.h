#pragma once

#include "backend/cuda/gemm/gemm_output.h"
#include "backend/cuda/gemm/weights.h"

namespace halftone::cuda {

/// Up to 8 rows of A (tokens) times B^T, the weights read once. Weights are the A operand of m16n8k16, the 8
/// rows the B operand, so one row costs what eight do, and that is little beside the reading.
///
/// A block of 8 warps has some tiles of 16 outputs (block x) and 8 rows (block y). 1 << parts_shift warps
/// share a tile and its pieces (64 or 128 columns), by turns. A warp has up to 128 bytes a lane of weights
/// under way, the first of them before the kernel before this one has ended (from compute capability 9.0 on);
/// two blocks an SM, 16 warps, keep 64 KB under way there.
///
/// The block scales each row by a power of two (the largest magnitude comes into [2^14, 2^15)) and rounds it
/// to f16 in shared memory; WeightKind::split keeps what was rounded off as a second f16. Code sums of a
/// group are f32; its scale is applied to them there. So besides f32 sums there is one rounding, that of A:
/// |error| <= 2^-11 sum |a b| (2^-21 for split), and 2^-25 of the row's largest magnitude for what is far
/// below it.
///
/// Up to kMostJoined products of the same A by weights that are alike but for their outputs share a launch.
inline constexpr int kMostJoined = 3;
struct FewProduct {
  const std::byte* codes;
  const void* scales;
  const void* offsets;
  const float* row_factors;
  GemmOutput out;
  int first_block;  ///< of the launch's
};
struct FewTokensArgs {
  WeightsView weights;  ///< what is the same for all products; the rest is the first product's
  const float* a;       ///< [m, k]
  FewProduct products[kMostJoined];
  int count;  ///< of products
  int parts_shift;
  int round_columns;  ///< of A that the block holds at a time: all, or a multiple of all warps' pieces
  int flush_shift;    ///< 1 << flush_shift blocks of 32 columns of a piece surely share a scale
  uint32_t group_reciprocal;  ///< of the group, times 2^32, rounded up: a product's high word divides
  bool wide;                  ///< rows of A can be read 16 bytes at a time
};

inline constexpr int kFewWarps = 8;

/// How a warp streams weights of a kind: pieces of kSteps steps, kAhead of them under way.
template <WeightKind kind>
struct FewPiece {
  static constexpr bool kShort = kind == WeightKind::int2 || kind == WeightKind::split;
  static constexpr int kSteps = kShort ? 1 : 2;
  static constexpr int kStepBlocks = kind == WeightKind::int2                                 ? 4
                                     : kind == WeightKind::int4 || kind == WeightKind::table4 ? 2
                                                                                              : 1;
  static constexpr int kStepWords = kind == WeightKind::split ? 4 : kind == WeightKind::half ? 2 : 1;
  static constexpr int kWords = kSteps * kStepWords;  ///< of 16 bytes, a lane
  static constexpr int kBlocks = kSteps * kStepBlocks;
  static constexpr int kColumns = kBlocks * kBlockColumns;
  static constexpr int kAhead = kWords == 4 ? 2 : kind == WeightKind::table4 ? 3 : 4;
};

/// Whether few_tokens learns only from its arguments what scales are like: such scales take more registers,
/// and leave them for fewer pieces. `whole`: a piece has one scale.
HOST_AND_DEVICE constexpr bool any_scales(const WeightsView& w, bool whole) {
  return w.f32_scales || w.offset_kind == OffsetKind::minima ||
         (w.offset_kind == OffsetKind::zeros && !whole);
}
inline constexpr int kAnyScalesAhead = 2;

/// Halves from one row of A to the next in shared memory: 64 bytes more than a multiple of 128, so that the
/// 16-byte reads of eight lanes, of two rows, meet all banks.
HOST_AND_DEVICE constexpr int few_tokens_stride(int round_columns) {
  return (round_columns + 63) / 64 * 64 + 32;
}

/// `rows`, or one more if they are odd: sums lie in pairs of rows.
HOST_AND_DEVICE constexpr int few_even(int rows) {
  return (rows + 1) / 2 * 2;
}

/// Where things lie in a block's shared memory, in bytes.
struct FewTokensShared {
  int backs;  ///< [8] f32: what the sums of a row are to be multiplied by
  int tops;   ///< [8][8] f32: the largest magnitude in a row's part of a warp
  int held;   ///< [rows][stride] f16, twice for split; then the sums of warps, [8][rows][16] f32
  int sums;   ///< [flushes][few_even(rows)] f32, of the held numbers that one scale is for
  int bytes;
};
HOST_AND_DEVICE constexpr FewTokensShared few_tokens_shared(const FewTokensArgs& args, int rows) {
  FewTokensShared at{0, 32, 32 + 256, 0, 0};
  const int held =
      few_tokens_stride(args.round_columns) * rows * 2 * (args.weights.kind == WeightKind::split ? 2 : 1);
  const int results = kFewWarps * rows * kTileRows * 4;
  at.sums = at.held + (held > results ? held : results);
  at.bytes = at.sums + (args.round_columns / kBlockColumns >> args.flush_shift) * few_even(rows) * 4;
  return at;
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
