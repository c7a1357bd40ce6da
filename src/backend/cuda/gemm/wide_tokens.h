#pragma once

#include "backend/cuda/device/warpgroup.h"
#include "backend/cuda/gemm/lane_scales.h"
#include "backend/cuda/gemm/lane_words.h"
#include "backend/cuda/gemm/many_fetch.h"
#include "backend/cuda/gemm/many_shares.h"
#include "backend/cuda/gemm/wide_tokens_kernels.h"

namespace halftone::cuda {

template <WeightKind kind, int kRows, bool kOfWindows>
struct WideShape {
  static constexpr bool kWindows = kOfWindows, kSplit = false, kFewRegisters = false;
  static constexpr WeightKind kKind = kind;
  static constexpr int kTokens = kRows, kThreads = kWideThreads, kOutputs = kWideOutputs, kTiles = kWideTiles;
  static constexpr int kColumns = wide_columns(kind), kTileBytes = wide_tile_bytes(kind);
  static constexpr int kPieces = kColumns / 64, kPassRows = kThreads / 8, kPieceBytes = kTokens * 128;
  static constexpr int kWeightBytes = kTiles * kTileBytes;
  static constexpr int kRowsAt = 0, kWeightsAt = kPieces * kPieceBytes;
  static constexpr int kScalesAt = kWeightsAt + kWeightBytes;
  static constexpr int kSums = kTokens * kOutputs;
  DEVICE_MEMBER static int place(int row, int chunk) { return warpgroup_place(row, chunk); }
};
/// Products of 64 outputs that a warpgroup makes of the same 16 columns.
constexpr int kProducts = kWideOutputs / 128;

template <WeightKind kind, int kRows, bool kSharedZero, bool kWindows>
DEVICE void wide_segment(const ManyTokensArgs& args, const ManySegment& part, int token0, int tile0,
                         bool wait_first, float (&sums)[kProducts][kRows / 2]) {
  using S = WideShape<kind, kRows, kWindows>;
  using Codes = Unpack<kind>;
  const WeightsView& w = args.weights;
  const int stage_bytes = wide_stage_bytes(w, S::kTokens), stages = args.stages;
  const int my_tile = warp() / 4 * (S::kTiles / 2) + warp() % 4;  // of the block's, then every fourth

  ManyFetch<S> fetch(args, stage_bytes, token0, tile0, part.first);
  // One buffer is still read while the step after it comes to its turn.
  const int ahead = stages - 2;
  UNROLL_ONE
  for (int stage = 0; stage < ahead; ++stage)
    if (part.first + stage < part.last) fetch.weights(part.first + stage, stage);
  LaneScales<kind, kSharedZero> scales[kProducts];
  UNROLL
  for (int i = 0; i < kProducts; ++i) scales[i].set_tile(w, tile0 + my_tile + 4 * i);
  if (wait_first) wait_for_earlier_kernels();
  UNROLL_ONE
  for (int stage = 0; stage < ahead; ++stage) {
    if (part.first + stage < part.last) fetch.rows(stage);
    commit_copies();
  }

  GroupCursor step_group(part.first * S::kColumns, w.group), my_group = step_group;
  int loaded = -1, stage = 0, free = ahead;
  uint32_t a[2][kProducts][2][4];  // of a block of columns and the one before: its two steps
  UNROLL_ONE
  for (int step = part.first; step < part.last; ++step) {
    if (ahead == 1)
      wait_copies<0>();
    else if (ahead == 2)
      wait_copies<1>();
    else
      wait_copies<2>();
    show_to_warpgroup();
    sync_block();
    const Shared<std::byte> held = shared_memory<std::byte>(static_cast<size_t>(stage * stage_bytes));
    const Shared<std::byte> weights = held + (S::kWeightsAt + my_tile * S::kTileBytes);
    stage = stage + 1 == stages ? 0 : stage + 1;
    if constexpr (Codes::kScaled) step_group.advance(step * S::kColumns, w.group);
    LaneWords<kind> words[kProducts];
    UNROLL
    for (int b = 0; b < S::kColumns / kBlockColumns; ++b) {
      const int piece = b / 2;
      if (b % 2 == 0) {
        UNROLL
        for (int i = 0; i < kProducts; ++i)
          words[i].load(weights + (4 * i * S::kTileBytes + piece * step_tile_bytes(kind)));
      }
      if constexpr (Codes::kScaled) {
        my_group.advance(step * S::kColumns + b * kBlockColumns, w.group);
        if (my_group.group != loaded) {
          loaded = my_group.group;
          const int scale_bytes = args.scale_groups * scale_unit(w);
          const int offset_bytes = args.scale_groups * offset_unit(w);
          UNROLL
          for (int i = 0; i < kProducts; ++i)
            scales[i].load(w, held + (S::kScalesAt + (my_tile + 4 * i) * scale_bytes),
                           held + (S::kScalesAt + S::kTiles * scale_bytes + (my_tile + 4 * i) * offset_bytes),
                           loaded - step_group.group);
        }
      }
      UNROLL
      for (int i = 0; i < kProducts; ++i) {
        UNROLL
        for (int s = 0; s < 2; ++s) {
          uint32_t(&x)[4] = a[b % 2][i][s];
          words[i].fragment(b % 2 * 2 + s, x);
          scales[i].apply(x);
          settle(x);
        }
      }
      begin_warpgroup();
      UNROLL
      for (int s = 0; s < 2; ++s) {
        UNROLL
        for (int i = 0; i < kProducts; ++i)
          mma_warpgroup<kRows>(sums[i], a[b % 2][i][s], held + (S::kRowsAt + piece * S::kPieceBytes),
                               b % 2 * 2 + s);
      }
      commit_warpgroup();
      if (b == 0) {  // beside the products
        if (step + ahead < part.last) {
          fetch.weights(step + ahead, free);
          fetch.rows(free);
        }
        commit_copies();
        free = free + 1 == stages ? 0 : free + 1;
      }
      wait_warpgroup<1>();
    }
  }
  wait_warpgroup<0>();
}

template <WeightKind kind, int kRows, bool kSharedZero, bool kWindows>
DEVICE void wide_tokens_of(const ManyTokensArgs& args) {
  using S = WideShape<kind, kRows, kWindows>;
  const WeightsView& w = args.weights;
  const int token_tiles = (args.out.m + kRows - 1) / kRows;
  const int output_tiles = (tiles_of(w.n) + S::kTiles - 1) / S::kTiles;
  const ManyShares shares(token_tiles * output_tiles, w.packed_k / S::kColumns, grid_x());
  const Shared<float> tile = shared_memory<float>(0);
  shares.each_segment(block_x(), [&](const ManySegment& part, bool is_first) {
    const int token0 = part.tile % token_tiles * kRows, tile0 = part.tile / token_tiles * S::kTiles;
    float sums[kProducts][kRows / 2] = {};
    wide_segment<kind, kRows, kSharedZero, kWindows>(args, part, token0, tile0, is_first, sums);
    wait_copies<0>();
    sync_block();
    UNROLL
    for (int i = 0; i < kProducts; ++i) {
      UNROLL
      for (int r = 0; r < kRows / 2; ++r) {
        const int output =
            warp() / 4 * (kWideOutputs / 2) + (warp() % 4 + 4 * i) * kTileRows + lane() / 4 + r % 4 / 2 * 8;
        tile[(r / 4 * 8 + lane() % 4 * 2 + r % 2) * kTileRowFloats<S> + output] = sums[i][r];
      }
    }
    sync_block();
    finish_segment<S>(args, shares, part, token0, tile0 * kTileRows, 1.0f / shrinking(kind, kSharedZero));
    sync_block();
  });
}

template <WeightKind kind, int kRows, bool kWindows = false>
DEVICE void wide_tokens(const ManyTokensArgs& args) {
  constexpr bool kMayShare = Unpack<kind>::kIntegers;
  if (kMayShare && args.weights.offset_kind == OffsetKind::shared_zero)
    wide_tokens_of<kind, kRows, kMayShare, kWindows>(args);
  else
    wide_tokens_of<kind, kRows, false, kWindows>(args);
}

}  // namespace halftone::cuda
