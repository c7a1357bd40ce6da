#pragma once

#include "backend/cuda/gemm/many_fetch.h"
#include "backend/cuda/gemm/many_shares.h"
#include "backend/cuda/gemm/swizzle.h"
#include "backend/cuda/gemm/warp_scales.h"

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

template <WeightKind kind, int kTokenTiles, bool kSharedZero, bool kWindows>
DEVICE void multiply_segment(const ManyTokensArgs& args, const ManySegment& part, int token0, int tile0,
                             bool wait_first, float (&sums)[kWarpTiles][kTokenTiles][4]) {
  using S = ManyShape<kind, kTokenTiles, kWindows>;
  using Codes = Unpack<kind>;
  const WeightsView& w = args.weights;
  const int stage_bytes = many_stage_bytes(w, S::kTokens), stages = args.stages;
  const int output_warp = warp() % S::kOutputWarps, half = warp() / S::kOutputWarps;
  const int g = lane() / 4, t = lane() % 4;

  ManyFetch<S> fetch(args, stage_bytes, token0, tile0, part.first);
  UNROLL_ONE
  for (int stage = 0; stage < stages - 1; ++stage)
    if (part.first + stage < part.last) fetch.weights(part.first + stage, stage);
  WarpScales<kind, kSharedZero, kTokenTiles == 2> scales(w, tile0 + output_warp * kWarpTiles);
  uint32_t table[8] = {};
  if constexpr (kind == WeightKind::table4) {
    UNROLL
    for (int i = 0; i < 8; ++i) table[i] = w.table[i];
  }
  if (wait_first) wait_for_earlier_kernels();
  UNROLL_ONE
  for (int stage = 0; stage < stages - 1; ++stage) {
    if (part.first + stage < part.last) fetch.rows(stage);
    commit_copies();
  }

  const int my_column = half * (S::kColumns / 2);
  GroupCursor step_group(part.first * S::kColumns, w.group), my_group = step_group;
  int loaded = -1;  // the group that `scales` has
  int stage = 0;
  for (int step = part.first; step < part.last; ++step) {
    wait_for_stage(stages);
    sync_block();
    const int coming = step + stages - 1, free = stage == 0 ? stages - 1 : stage - 1;
    if (coming < part.last) {
      fetch.weights(coming, free);
      fetch.rows(free);
    }
    commit_copies();

    const Shared<std::byte> held = shared_memory<std::byte>(static_cast<size_t>(stage * stage_bytes));
    const Shared<std::byte> held_rows =
        held + (S::kWeightBytes + (S::kPieces == 2 ? half * S::kPieceBytes : 0));
    stage = stage + 1 == stages ? 0 : stage + 1;
    if constexpr (Codes::kScaled) step_group.advance(step * S::kColumns, w.group);
    UNROLL_ONE  // for want of registers
        for (int b = 0; b < S::kBlocks; ++b) {
      if constexpr (Codes::kScaled) {
        my_group.advance(step * S::kColumns + my_column + b * kBlockColumns, w.group);
        if (my_group.group != loaded) {
          loaded = my_group.group;
          const int groups = again(args.scale_groups), scale_bytes = groups * scale_unit(w);
          const int offset_bytes = groups * offset_unit(w),
                    first = again(warp()) % S::kOutputWarps * kWarpTiles;
          scales.load(w, held + (S::kScalesAt + first * scale_bytes),
                      held + (S::kScalesAt + S::kTiles * scale_bytes + first * offset_bytes),
                      loaded - step_group.group, groups);
        }
      }
      const int chunk = (S::kPieces == 2 ? b : half) * 4 + t;
      // Two tiles at once: rows are read twice, but fewer registers hold them.
      UNROLL
      for (int pair = 0; pair < kWarpTiles; pair += 2) {
        uint32_t a[2][2][4], low[2][2][4];  // of a tile, its two steps
        UNROLL
        for (int i = 0; i < 2; ++i) {
          uint32_t words[4 * Codes::kWords];
          load_words<kind>(held + (output_warp * kWarpTiles + pair + i) * S::kTileBytes, half, b, words);
          UNROLL
          for (int s = 0; s < 2; ++s) {
            Codes::fragment(words, 0, s, table, a[i][s]);
            if constexpr (S::kSplit) Codes::low_fragment(words, s, low[i][s]);
          }
          scales.apply(w, pair + i, a[i]);
        }
        UNROLL
        for (int j = 0; j < kTokenTiles; ++j) {
          const Shared<std::byte> at = held_rows + swizzled(j * 8 + g, chunk);
          const Words4 x = load_as<Words4>(at);
          const uint32_t pairs[2][2] = {{x.x, x.y}, {x.z, x.w}};
          UNROLL
          for (int s = 0; s < 2; ++s) {
            UNROLL
            for (int i = 0; i < 2; ++i) mma_f16(sums[pair + i][j], a[i][s], pairs[s]);
          }
          if constexpr (S::kSplit) {
            const Words4 y = load_as<Words4>(at + S::kPieces * S::kPieceBytes);
            const uint32_t rest[2][2] = {{y.x, y.y}, {y.z, y.w}};
            UNROLL
            for (int s = 0; s < 2; ++s) {
              UNROLL
              for (int i = 0; i < 2; ++i) {
                mma_f16(sums[pair + i][j], a[i][s], rest[s]);
                mma_f16(sums[pair + i][j], low[i][s], pairs[s]);
              }
            }
          }
        }
      }
    }
  }
}

template <WeightKind kind, int kTokenTiles, bool kSharedZero, bool kWindows>
DEVICE void many_tokens_of(const ManyTokensArgs& args) {
  using S = ManyShape<kind, kTokenTiles, kWindows>;
  const WeightsView& w = args.weights;
  const int steps = w.packed_k / S::kColumns, tiles = tiles_of(w.n);
  const int token_tiles = (args.out.m + S::kTokens - 1) / S::kTokens;
  const int output_tiles = (tiles + S::kTiles - 1) / S::kTiles;
  const ManyShares shares(token_tiles * output_tiles, steps, grid_x());
  const int output_warp = warp() % S::kOutputWarps, half = warp() / S::kOutputWarps;
  const int lane_g = lane() / 4, lane_t = lane() % 4;
  const Shared<float> tile = shared_memory<float>(0);
  shares.each_segment(block_x(), [&](const ManySegment& part, bool is_first) {
    const int token0 = part.tile % token_tiles * S::kTokens, tile0 = part.tile / token_tiles * S::kTiles;
    float sums[kWarpTiles][kTokenTiles][4] = {};
    multiply_segment<kind, kTokenTiles, kSharedZero, kWindows>(args, part, token0, tile0, is_first, sums);
    wait_copies<0>();
    sync_block();

    // The sums of the two warps that share the columns come together.
    UNROLL
    for (int turn = 1; turn >= 0; --turn) {
      if (half == turn) {
        UNROLL
        for (int i = 0; i < kWarpTiles; ++i) {
          UNROLL
          for (int j = 0; j < kTokenTiles; ++j) {
            UNROLL
            for (int r = 0; r < 4; ++r) {
              const Shared<float> at =
                  tile + ((j * 8 + 2 * lane_t + r % 2) * kTileRowFloats<S> +
                          (output_warp * kWarpTiles + i) * kTileRows + lane_g + r / 2 * 8);
              *at = turn == 1 ? sums[i][j][r] : *at + sums[i][j][r];
            }
          }
        }
      }
      sync_block();
    }

    finish_segment<S>(args, shares, part, token0, tile0 * kTileRows, 1.0f / shrinking(kind, kSharedZero));
    sync_block();
  });
}

/// With kTokens rows of A in a tile of Y.
template <WeightKind kind, int kTokens, bool kWindows = false>
DEVICE void many_tokens(const ManyTokensArgs& args) {
  constexpr bool kMayShare = kind == WeightKind::int4 || kind == WeightKind::int8;
  if (kMayShare && args.weights.offset_kind == OffsetKind::shared_zero)
    many_tokens_of<kind, kTokens / 8, kMayShare, kWindows>(args);
  else
    many_tokens_of<kind, kTokens / 8, false, kWindows>(args);
}

}  // namespace halftone::cuda
