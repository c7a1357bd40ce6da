#include "backend/cuda/gemm/int_sums.h"
#include "backend/cuda/gemm/swizzle.h"

namespace halftone::cuda {

/// Words of pair q of blocks of a stage, of the lane's unit(s) at `at`.
template <WeightKind kind>
DEVICE void load_pair(Shared<std::byte> at, int q, uint32_t* words) {
  constexpr int kUnits = kind == WeightKind::int8 ? 2 : 1;
  const int unit = kind == WeightKind::int8 ? 2 * q : kind == WeightKind::int4 ? q : 0;
  UNROLL
  for (int i = 0; i < kUnits; ++i) {
    const Words4 w = load_as<Words4>(at + ((unit + i) * kUnitBytes + lane() * 16));
    words[4 * i] = w.x;
    words[4 * i + 1] = w.y;
    words[4 * i + 2] = w.z;
    words[4 * i + 3] = w.w;
  }
}

template <WeightKind kind, bool single>
DEVICE void many_int(const IntProductArgs& args) {
  constexpr int kStages = many_int_stages(kind), kStageBytes = many_int_stage_bytes(kind);
  constexpr int kWeightBytes = many_int_weight_bytes(kind), kThreads = 128;
  constexpr int kTileBytes = kWeightBytes / (kManyIntOutputs / kTileRows), kTiles = kManyIntRows / 8;
  const WeightsView& w = args.weights;
  const IntRowsView& in = args.rows;
  const int row0 = block_x() * kManyIntRows, tile0 = block_y() * (kManyIntOutputs / kTileRows);
  const int tiles = tiles_of(w.n), steps = w.packed_k / kManyIntColumns;
  const int g = lane() / 4, t = lane() % 4;

  // A thread copies the same part of a tile and of a row's columns in each pass over the block's.
  constexpr int kPass = kThreads * 16, kPassTiles = kPass / kTileBytes;
  const int my_tile = tile0 + thread() * 16 / kTileBytes, my_row = row0 + thread() / 8;
  const int64_t tile_bytes = int64_t{steps} * kTileBytes;
  const std::byte* my_codes = w.codes + my_tile * tile_bytes + thread() * 16 % kTileBytes;
  const int8_t* my_columns = in.codes + int64_t{my_row} * w.packed_k + thread() % 8 * 16;
  const int my_place = kWeightBytes + swizzled(thread() / 8, thread() % 8);
  const auto fetch = [&](int step, int stage) {
    const Shared<std::byte> to = shared_memory<std::byte>(static_cast<size_t>(stage * kStageBytes));
    UNROLL
    for (int i = 0; i < kWeightBytes / kPass; ++i) {
      const bool there = my_tile + i * kPassTiles < tiles;
      const std::byte* from = my_codes + i * kPassTiles * tile_bytes + int64_t{step} * kTileBytes;
      copy_async_16(to + (i * kPass + thread() * 16), there ? from : w.codes, there ? 16 : 0);
    }
    UNROLL
    for (int i = 0; i < kManyIntRows / 16; ++i) {
      const bool there = my_row + i * 16 < args.out.m;
      const int8_t* from = my_columns + int64_t{i * 16} * w.packed_k + step * kManyIntColumns;
      copy_async_16(to + (my_place + i * 16 * 128), there ? from : in.codes, there ? 16 : 0);
    }
  };

  UNROLL
  for (int stage = 0; stage < kStages - 1; ++stage) {
    if (stage < steps) fetch(stage, stage);
    commit_copies();
  }

  const auto output_of = [&](int i, int h) { return (tile0 + 2 * warp() + i) * kTileRows + g + 8 * h; };
  int sums[2][kTiles][4] = {};
  float totals[single ? 1 : 2][single ? 1 : kTiles][4] = {};
  const auto flush = [&](int segment) {
    const int column = segment * in.segment;
    UNROLL
    for (int i = 0; i < 2; ++i) {
      UNROLL
      for (int h = 0; h < 2; ++h) {
        const int output = output_of(i, h);
        if (output >= w.n) continue;
        const IntScale scale = int_scale<kind>(w, output, column / w.group);
        UNROLL
        for (int j = 0; j < kTiles; ++j) {
          UNROLL
          for (int c = 0; c < 2; ++c) {
            const int row = row0 + j * 8 + 2 * t + c;
            if (row >= args.out.m) continue;
            const float row_scale = in.groups == 1 ? 1.0f : in.scales[row * in.groups + column / in.group];
            int& products = sums[i][j][2 * h + c];
            const float before = single ? 0.0f : totals[single ? 0 : i][single ? 0 : j][2 * h + c];
            const float sum =
                add_segment(w, scale, products, in.sums[segment * args.out.m + row], row_scale, before);
            // With one segment the sum takes the products' place.
            if constexpr (!single) totals[i][j][2 * h + c] = sum;
            products = single ? static_cast<int>(bits_of(sum)) : 0;
          }
        }
      }
    }
  };

  int stage = 0, segment = 0, left = in.segment;
  for (int step = 0; step < steps; ++step) {
    wait_copies<kStages - 2>();
    sync_block();
    if (step + kStages - 1 < steps) fetch(step + kStages - 1, stage == 0 ? kStages - 1 : stage - 1);
    commit_copies();
    const Shared<std::byte> held = shared_memory<std::byte>(static_cast<size_t>(stage * kStageBytes));
    stage = stage + 1 == kStages ? 0 : stage + 1;
    UNROLL
    for (int q = 0; q < 2; ++q) {
      uint32_t a[2][2][4];  // of tile i and block b of the pair
      UNROLL
      for (int i = 0; i < 2; ++i) {
        uint32_t words[8] = {};
        load_pair<kind>(held + (2 * warp() + i) * kTileBytes, q, words);
        UNROLL
        for (int b = 0; b < 2; ++b) {
          UNROLL
          for (int r = 0; r < 4; ++r)
            a[i][b][r] = kind == WeightKind::int8   ? signed_quad<kind>(words + 4 * b, 0, r / 2, r % 2)
                         : kind == WeightKind::int4 ? signed_quad<kind>(words, b, r / 2, r % 2)
                                                    : signed_quad<kind>(words, 2 * q + b, r / 2, r % 2);
        }
      }
      const auto multiply = [&]<int kFirst, int kLast>() {  // blocks of the pair
        UNROLL
        for (int j = 0; j < kTiles; ++j) {
          const Words4 x = load_as<Words4>(held + (kWeightBytes + swizzled(j * 8 + g, q * 4 + t)));
          const uint32_t columns[2][2] = {{x.x, x.y}, {x.z, x.w}};
          UNROLL
          for (int b = kFirst; b < kLast; ++b) {
            UNROLL
            for (int i = 0; i < 2; ++i) mma_s8(sums[i][j], a[i][b], columns[b]);
          }
        }
      };
      if (single || in.segment > kBlockColumns) {
        multiply.template operator()<0, 2>();
        left -= 2 * kBlockColumns;
      } else {
        multiply.template operator()<0, 1>();
        flush(segment++);
        multiply.template operator()<1, 2>();
        left = 0;
      }
      if (!single && left == 0) {
        flush(segment++);
        left = in.segment;
      }
    }
  }
  wait_copies<0>();
  sync_block();
  if (left != in.segment) flush(segment);

  const Shared<float> tile = shared_memory<float>(0);
  UNROLL
  for (int i = 0; i < 2; ++i) {
    UNROLL
    for (int j = 0; j < kTiles; ++j) {
      UNROLL
      for (int r = 0; r < 4; ++r) {
        const Shared<float> at =
            tile + staged(j * 8 + 2 * t + r % 2, (2 * warp() + i) * kTileRows + g + r / 2 * 8);
        *at = single ? float_of(static_cast<uint32_t>(sums[i][j][r]))
                     : totals[single ? 0 : i][single ? 0 : j][r];
      }
    }
  }
  sync_block();
  for (int i = thread(); i < kManyIntRows * kManyIntOutputs; i += kThreads) {
    const int row = row0 + i / kManyIntOutputs, column = i % kManyIntOutputs;
    const int output = tile0 * kTileRows + column;
    if (row >= args.out.m || output >= w.n) continue;
    finish_product<kind>(args, row, output, tile[staged(i / kManyIntOutputs, column)]);
  }
}

DEVICE_KERNEL_BOUNDED(many_int_int8, IntProductArgs, 128, 2) {
  many_int<WeightKind::int8, false>(args);
}
DEVICE_KERNEL_BOUNDED(many_int_int4, IntProductArgs, 128, 2) {
  many_int<WeightKind::int4, false>(args);
}
DEVICE_KERNEL_BOUNDED(many_int_int2, IntProductArgs, 128, 2) {
  many_int<WeightKind::int2, false>(args);
}
DEVICE_KERNEL_BOUNDED(many_int_int8_single, IntProductArgs, 128, 3) {
  many_int<WeightKind::int8, true>(args);
}

}  // namespace halftone::cuda
