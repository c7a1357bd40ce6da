#pragma once

#include "backend/cuda/gemm/many_shares.h"
#include "backend/cuda/gemm/many_stage.h"
#include "backend/cuda/gemm/warp_scales.h"

namespace halftone::cuda {

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
