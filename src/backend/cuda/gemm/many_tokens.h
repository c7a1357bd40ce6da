#pragma once

#include "backend/cuda/gemm/many_tokens_kernels.h"
#include "backend/cuda/gemm/scaled_fragment.h"
#include "backend/cuda/gemm/staged_words.h"
#include "backend/cuda/gemm/swizzle.h"

namespace halftone::cuda {

/// With kTiles * 8 rows of A.
template <WeightKind kind, int kTiles>
DEVICE void many_tokens(const ManyTokensArgs& args) {
  using Codes = Unpack<kind>;
  constexpr bool split = kind == WeightKind::split;
  constexpr int kThreads = kManyOutputs / 32 * kWarp, kTokens = kTiles * 8;
  constexpr int kStages = many_stages(kind);
  constexpr int kColumns = many_columns(kind), kBlocks = kColumns / kBlockColumns;
  constexpr int kWeightBytes = many_weight_bytes(kind), kStageBytes = many_stage_bytes(kind, kTokens);
  constexpr int kTileBytes = kWeightBytes / (kManyOutputs / kTileRows);
  constexpr int kPieceBytes = kTokens * 128;  // of 64 columns of A
  const WeightsView& w = args.weights;
  const int token0 = block_x() * kTokens, tile0 = block_y() * (kManyOutputs / kTileRows);
  const int tiles = tiles_of(w.n);
  const int all_steps = w.packed_k / kColumns;
  const int first = static_cast<int>(int64_t{all_steps} * block_z() / args.parts);
  const int last = static_cast<int>(int64_t{all_steps} * (block_z() + 1) / args.parts);
  const int g = lane() / 4, t = lane() % 4;

  // A thread copies the same part of a tile and of a row's 64 columns in each pass over the block's.
  constexpr int kPass = kThreads * 16, kPassTiles = kPass > kTileBytes ? kPass / kTileBytes : 1;
  constexpr int kTilePasses = kTileBytes > kPass ? kTileBytes / kPass : 1;
  const int my_tile = tile0 + thread() * 16 / kTileBytes, my_row = token0 + thread() / 8;
  const int64_t tile_bytes = int64_t{all_steps} * kTileBytes;
  const std::byte* my_codes = w.codes + my_tile * tile_bytes + thread() * 16 % kTileBytes;
  const int64_t my_columns = int64_t{my_row} * w.packed_k + thread() % 8 * 8;
  const int my_place = kWeightBytes + swizzled(thread() / 8, thread() % 8);
  const auto fetch = [&](int step, int stage) {
    const Shared<std::byte> to = shared_memory<std::byte>(static_cast<size_t>(stage * kStageBytes));
    UNROLL
    for (int i = 0; i < kWeightBytes / kPass; ++i) {
      const int tile = i / kTilePasses * kPassTiles;
      const bool there = my_tile + tile < tiles;
      const std::byte* from =
          my_codes + tile * tile_bytes + int64_t{step} * kTileBytes + i % kTilePasses * kPass;
      copy_async_16(to + (i * kPass + thread() * 16), there ? from : w.codes, there ? 16 : 0);
    }
    constexpr int kPassRows = kThreads / 8;
    UNROLL
    for (int piece = 0; piece < kColumns / 64; ++piece) {
      UNROLL
      for (int i = 0; i < kTokens / kPassRows; ++i) {
        const bool there = my_row + i * kPassRows < args.out.m;
        const int64_t from =
            there ? my_columns + i * kPassRows * int64_t{w.packed_k} + step * kColumns + piece * 64 : 0;
        const Shared<std::byte> at = to + (my_place + piece * kPieceBytes + i * kPassRows * 128);
        copy_async_16(at, args.a + from, there ? 16 : 0);
        if constexpr (split)
          copy_async_16(at + kColumns / 64 * kPieceBytes, args.rest + from, there ? 16 : 0);
      }
    }
  };

  float inverse[2][2] = {{1, 1}, {1, 1}};
  ScaleBits next[2] = {};
  HalfScales<kind> scales[2] = {};
  int group = 0, left = 0;                              // columns of the group that are still to come
  const auto scales_of_tile = [&](int i, int wanted) {  // the last ones again behind the end
    const int tile = tile0 + 2 * warp() + i;
    return load_scale_bits<kind>(w, tile < tiles ? tile : tiles - 1,
                                 wanted < w.groups ? wanted : w.groups - 1);
  };
  uint32_t table[8] = {};
  if constexpr (Codes::kScaled) {
    const int column = first * kColumns;
    group = column / w.group;
    UNROLL
    for (int i = 0; i < 2; ++i) {
      const int tile = tile0 + 2 * warp() + i;
      next[i] = scales_of_tile(i, group);
      UNROLL
      for (int h = 0; h < 2; ++h)
        inverse[i][h] = tile < tiles ? 1.0f / w.row_factors[tile * kTileRows + g + 8 * h] : 1.0f;
      scales[i] = half_scales<kind>(w, next[i], inverse[i]);
      next[i] = scales_of_tile(i, group + 1);
    }
    left = (group + 1) * w.group - column;
  }
  if constexpr (kind == WeightKind::table4) {
    UNROLL
    for (int i = 0; i < 8; ++i) table[i] = w.table[i];
  }

  UNROLL
  for (int stage = 0; stage < kStages - 1; ++stage) {
    if (first + stage < last) fetch(first + stage, stage);
    commit_copies();
  }

  float sums[2][kTiles][4] = {};
  int stage = 0;
  for (int step = first; step < last; ++step) {
    wait_copies<kStages - 2>();
    sync_block();
    const int coming = step + kStages - 1;
    if (coming < last) fetch(coming, stage == 0 ? kStages - 1 : stage - 1);
    commit_copies();

    const Shared<std::byte> held = shared_memory<std::byte>(static_cast<size_t>(stage * kStageBytes));
    stage = stage + 1 == kStages ? 0 : stage + 1;
    UNROLL
    for (int b = 0; b < kBlocks; ++b) {
      if constexpr (Codes::kScaled) {
        if (left == 0) {
          ++group;
          left = w.group;
          UNROLL
          for (int i = 0; i < 2; ++i) {
            scales[i] = half_scales<kind>(w, next[i], inverse[i]);
            next[i] = scales_of_tile(i, group + 1);
          }
        }
        left -= kBlockColumns;
      }
      uint32_t a[2][2][4], low[2][2][4];  // of tile i and step s
      UNROLL
      for (int i = 0; i < 2; ++i) {
        uint32_t words[4 * Codes::kWords];
        load_words<kind>(held + (2 * warp() + i) * kTileBytes, b, words);
        UNROLL
        for (int s = 0; s < 2; ++s) {
          Codes::fragment(words, b, s, table, a[i][s]);
          apply_scales<kind>(scales[i], a[i][s]);
          if constexpr (split) Codes::low_fragment(words, s, low[i][s]);
        }
      }
      UNROLL
      for (int j = 0; j < kTiles; ++j) {
        const int row = j * 8 + g;
        const Shared<std::byte> at =
            held + (kWeightBytes + b / 2 * kPieceBytes + swizzled(row, b % 2 * 4 + t));
        const Words4 x = load_as<Words4>(at);
        const uint32_t pairs[2][2] = {{x.x, x.y}, {x.z, x.w}};
        UNROLL
        for (int s = 0; s < 2; ++s) {
          UNROLL
          for (int i = 0; i < 2; ++i) mma_f16(sums[i][j], a[i][s], pairs[s]);
        }
        if constexpr (split) {
          const Words4 y = load_as<Words4>(at + kColumns / 64 * kPieceBytes);
          const uint32_t rest[2][2] = {{y.x, y.y}, {y.z, y.w}};
          UNROLL
          for (int s = 0; s < 2; ++s) {
            UNROLL
            for (int i = 0; i < 2; ++i) {
              mma_f16(sums[i][j], a[i][s], rest[s]);
              mma_f16(sums[i][j], low[i][s], pairs[s]);
            }
          }
        }
      }
    }
  }
  wait_copies<0>();
  sync_block();

  const Shared<float> tile = shared_memory<float>(0);
  UNROLL
  for (int i = 0; i < 2; ++i) {
    UNROLL
    for (int j = 0; j < kTiles; ++j) {
      UNROLL
      for (int r = 0; r < 4; ++r)
        tile[staged(j * 8 + 2 * t + r % 2, (2 * warp() + i) * kTileRows + g + r / 2 * 8)] = sums[i][j][r];
    }
  }
  sync_block();
  for (int i = thread(); i < kTokens * kManyOutputs; i += kThreads) {
    const int row = i / kManyOutputs, column = i % kManyOutputs;
    const int token = token0 + row, output = tile0 * kTileRows + column;
    if (token >= args.out.m || output >= w.n) continue;
    const float sum = tile[staged(row, column)];
    const float value = product(sum, args.back[token] * w.row_factors[output]);
    if (args.parts > 1)
      args.partial[(int64_t{block_z()} * args.out.m + token) * w.n + output] = value;
    else
      store_product(args.out, token, output, value);
  }
}

}  // namespace halftone::cuda
