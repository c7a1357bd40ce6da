#pragma once

#include "backend/cuda/gemm/many_fetch.h"
#include "backend/cuda/gemm/swizzle.h"

namespace halftone::cuda {

/// Of a product of kTokenTiles * 8 rows of A.
template <WeightKind kind, int kTokenTiles, bool kOfWindows>
struct ManyShape {
  static constexpr bool kWindows = kOfWindows, kFewRegisters = true;  // wants registers for its sums
  static constexpr WeightKind kKind = kind;
  static constexpr bool kSplit = kind == WeightKind::split;
  static constexpr int kTokens = kTokenTiles * 8, kThreads = many_threads(kind);
  static constexpr int kOutputWarps = many_output_warps(kind), kTiles = kOutputWarps * kWarpTiles;
  static constexpr int kColumns = many_columns(kind), kBlocks = kColumns / kBlockColumns / 2;  // of a warp
  static constexpr int kTileBytes = many_tile_bytes(kind), kWeightBytes = many_weight_bytes(kind);
  static constexpr int kPassRows = kThreads / 8;  // of 64 columns, that the block copies at once
  static constexpr int kPieces = kColumns / 64, kPieceBytes = kTokens * 128;
  static constexpr int kWeightsAt = 0, kRowsAt = kWeightBytes;
  static constexpr int kScalesAt = kWeightBytes + many_row_bytes(kind, kTokens);
  static constexpr int kOutputs = many_outputs(kind), kSums = kTokens * kOutputs;
  DEVICE_MEMBER static int place(int row, int chunk) { return swizzled(row, chunk); }
};

/// A warp's words of one block of half a step of the tile at `at`, as if it were the unit's first.
template <WeightKind kind>
DEVICE void load_words(Shared<std::byte> at, int half, int b, uint32_t* words) {
  if constexpr (kind == WeightKind::int2) {
    words[0] = load_as<uint32_t>(at + (lane() * 16 + 8 * half + 4 * b));
  } else if constexpr (Unpack<kind>::kBlocks == 2) {
    const Words2 w = load_as<Words2>(at + (half * kUnitBytes + lane() * 16 + 8 * b));
    words[0] = w.x;
    words[1] = w.y;
  } else {
    UNROLL
    for (int i = 0; i < Unpack<kind>::kWords; ++i) {
      const Words4 w = load_as<Words4>(at + ((half * Unpack<kind>::kWords + i) * kUnitBytes + lane() * 16));
      words[4 * i] = w.x;
      words[4 * i + 1] = w.y;
      words[4 * i + 2] = w.z;
      words[4 * i + 3] = w.w;
    }
  }
}

/// Waits for all copies but those of the newest stages - 2 steps.
DEVICE void wait_for_stage(int stages) {
  if (stages == 2)
    wait_copies<0>();
  else if (stages == 3)
    wait_copies<1>();
  else
    wait_copies<2>();
}

}  // namespace halftone::cuda
