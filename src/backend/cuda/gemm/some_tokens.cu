#include "backend/cuda/gemm/lane_scales.h"
#include "backend/cuda/gemm/lane_words.h"
#include "backend/cuda/gemm/some_tokens_kernels.h"
#include "backend/cuda/gemm/swizzle.h"

namespace halftone::cuda {
namespace {

/// What a warp copies, step after step.
template <WeightKind kind, int kTokens>
class SomeFetch {
 public:
  DEVICE_MEMBER SomeFetch(const SomeTokensArgs& args, int tile0, int step)
      : args_(args), tile_(tile0), groups_(step * kSomeColumns, args.weights.group) {
    const WeightsView& w = args.weights;
    codes_ = w.codes + (tile0 * tile_bytes() + int64_t{step} * step_tile_bytes(kind) + lane() * 16);
    rows_ = int64_t{lane() / 8} * w.packed_k + (step * kSomeColumns + lane() % 8 * 8);
  }

  /// Weights with their scales.
  DEVICE_MEMBER void weights(int step, Shared<std::byte> to) {
    const WeightsView& w = args_.weights;
    const int64_t tile_bytes = this->tile_bytes();
    const int there = tiles_of(w.n) - tile_;
    const std::byte* from = codes_;
    UNROLL_ONE
    for (int i = 0; i < args_.tiles; ++i) {
      UNROLL
      for (int unit = 0; unit < step_tile_bytes(kind) / kUnitBytes; ++unit)
        copy_async_16(to + (i * step_tile_bytes(kind) + unit * kUnitBytes + lane() * 16),
                      from + unit * kUnitBytes, i < there ? 16 : 0);
      from += tile_bytes;
    }
    codes_ += step_tile_bytes(kind);
    if constexpr (Unpack<kind>::kScaled) {
      groups_.advance(step * kSomeColumns, w.group);
      const Shared<std::byte> scales = to + (args_.tiles * step_tile_bytes(kind) + kTokens * 128);
      numbers(w.scales, scale_unit(w), scales);
      if (w.offset_kind == OffsetKind::zeros || w.offset_kind == OffsetKind::minima)
        numbers(w.offsets, offset_unit(w), scales + args_.tiles * args_.scale_groups * scale_unit(w));
    }
  }

  DEVICE_MEMBER void rows(Shared<std::byte> to) {
    const Shared<std::byte> place = to + args_.tiles * step_tile_bytes(kind);
    UNROLL
    for (int row = 0; row < kTokens; row += 4) {
      const bool there = row + lane() / 8 < args_.out.m;
      copy_async_16(place + (row * 128 + swizzled(lane() / 8, lane() % 8)),
                    args_.a + (rows_ + int64_t{row} * args_.weights.packed_k), there ? 16 : 0);
    }
    rows_ += kSomeColumns;
  }

 private:
  DEVICE_MEMBER int64_t tile_bytes() const {
    return int64_t{args_.weights.packed_k / kSomeColumns} * step_tile_bytes(kind);
  }
  /// The numbers of a step's groups, `unit` bytes of a group and tile.
  DEVICE_MEMBER void numbers(const void* from, int unit, Shared<std::byte> to) const {
    const WeightsView& w = args_.weights;
    const int bytes = args_.scale_groups * unit, row = w.groups * unit;
    for (int at = lane() * 16; at < args_.tiles * bytes; at += kWarp * 16) {
      const int tile = at / bytes, place = groups_.group * unit + at - tile * bytes;
      const bool there = tile_ + tile < tiles_of(w.n) && place < row;
      copy_async_16(to + at, static_cast<const std::byte*>(from) + (int64_t{tile_ + tile} * row + place),
                    there ? 16 : 0);
    }
  }

  const SomeTokensArgs& args_;
  int tile_;
  const std::byte* codes_;
  int64_t rows_;
  GroupCursor groups_;
};

template <WeightKind kind, int kTokenTiles, bool kSharedZero>
DEVICE void some_tokens_of(const SomeTokensArgs& args) {
  using Codes = Unpack<kind>;
  constexpr int kTokens = kTokenTiles * 8, kTiles = some_tiles(kTokens);
  const WeightsView& w = args.weights;
  const int tile0 = block_x() * args.tiles, tiles = args.tiles, stages = args.stages;
  const int steps = w.packed_k / kSomeColumns;
  const int first = static_cast<int>(int64_t{steps} * warp() / kSomeWarps);
  const int last = static_cast<int>(int64_t{steps} * (warp() + 1) / kSomeWarps);
  const int stage_bytes = some_stage_bytes(w, kTokens, tiles), factor_bytes = tiles * kTileRows * 4;
  const int g = lane() / 4, t = lane() % 4;
  const Shared<std::byte> mine =
      shared_memory<std::byte>(static_cast<size_t>(factor_bytes + warp() * stages * stage_bytes));

  SomeFetch<kind, kTokens> fetch(args, tile0, first);
  UNROLL_ONE
  for (int stage = 0; stage < stages - 1; ++stage)
    if (first + stage < last) fetch.weights(first + stage, mine + stage * stage_bytes);
  const Shared<float> inverse = shared_memory<float>(0);
  for (int i = thread(); i < tiles * kTileRows; i += kSomeThreads)
    inverse[i] = tile0 * kTileRows + i < tiles_of(w.n) * kTileRows
                     ? 1.0f / w.row_factors[tile0 * kTileRows + i]
                     : 1.0f;
  wait_for_earlier_kernels();
  UNROLL_ONE
  for (int stage = 0; stage < stages - 1; ++stage) {
    if (first + stage < last) fetch.rows(mine + stage * stage_bytes);
    commit_copies();
  }
  sync_block();  // the factors

  float sums[kTiles][kTokenTiles][4] = {};
  LaneScales<kind, kSharedZero> scales[kTiles];
  GroupCursor step_group(first * kSomeColumns, w.group), my_group = step_group;
  int loaded = -1, stage = 0;
  UNROLL_ONE
  for (int step = first; step < last; ++step) {
    if (stages == 2)
      wait_copies<0>();
    else if (stages == 3)
      wait_copies<1>();
    else
      wait_copies<2>();
    sync_warp();
    const int coming = step + stages - 1, free = stage == 0 ? stages - 1 : stage - 1;
    if (coming < last) {
      fetch.weights(coming, mine + free * stage_bytes);
      fetch.rows(mine + free * stage_bytes);
    }
    commit_copies();

    const Shared<std::byte> held = mine + stage * stage_bytes;
    const Shared<std::byte> rows = held + tiles * step_tile_bytes(kind);
    stage = stage + 1 == stages ? 0 : stage + 1;
    Words4 x[2][kTokenTiles];
    UNROLL
    for (int b = 0; b < 2; ++b) {
      UNROLL
      for (int j = 0; j < kTokenTiles; ++j) x[b][j] = load_as<Words4>(rows + swizzled(j * 8 + g, 4 * b + t));
    }
    int group[2] = {};   // of each block, from the step's first on
    bool fresh[2] = {};  // whether it is another than before
    if constexpr (Codes::kScaled) {
      step_group.advance(step * kSomeColumns, w.group);
      UNROLL
      for (int b = 0; b < 2; ++b) {
        my_group.advance(step * kSomeColumns + b * kBlockColumns, w.group);
        fresh[b] = my_group.group != loaded;
        loaded = my_group.group;
        group[b] = loaded - step_group.group;
      }
    }
    const int scale_bytes = args.scale_groups * scale_unit(w),
              offset_bytes = args.scale_groups * offset_unit(w);
    const Shared<std::byte> numbers = rows + kTokens * 128;
    UNROLL
    for (int i = 0; i < kTiles; ++i) {
      if (i >= tiles) break;
      LaneWords<kind> words;
      words.load(held + i * step_tile_bytes(kind));
      UNROLL
      for (int b = 0; b < 2; ++b) {
        if constexpr (Codes::kScaled) {
          if (fresh[b]) {
            scales[i].set_factors(inverse[i * kTileRows + g], inverse[i * kTileRows + g + 8]);
            scales[i].load(w, numbers + i * scale_bytes, numbers + (tiles * scale_bytes + i * offset_bytes),
                           group[b]);
          }
        }
        UNROLL
        for (int s = 0; s < 2; ++s) {
          uint32_t a[4];
          words.fragment(2 * b + s, a);
          scales[i].apply(a);
          UNROLL
          for (int j = 0; j < kTokenTiles; ++j) {
            const uint32_t pair[2] = {s ? x[b][j].z : x[b][j].x, s ? x[b][j].w : x[b][j].y};
            mma_f16(sums[i][j], a, pair);
          }
        }
      }
    }
  }
  wait_copies<0>();
  sync_block();

  const int row_floats = some_row_floats(tiles);
  const Shared<float> all = shared_memory<float>(static_cast<size_t>(factor_bytes));
  const Shared<float> of_warp = all + warp() * kTokens * row_floats;
  UNROLL
  for (int i = 0; i < kTiles; ++i) {
    if (i >= tiles) break;
    UNROLL
    for (int j = 0; j < kTokenTiles; ++j) {
      UNROLL
      for (int r = 0; r < 4; ++r)
        of_warp[(j * 8 + 2 * t + r % 2) * row_floats + i * kTileRows + g + r / 2 * 8] = sums[i][j][r];
    }
  }
  sync_block();

  const GemmOutput& out = args.out;
  const int vectors = tiles * kTileRows / 4;
  const bool wide = stores_fours(out);
  for (int v = thread(); v < kTokens * vectors; v += kSomeThreads) {
    const int token = v / vectors, place = v % vectors * 4, output = tile0 * kTileRows + place;
    if (token >= out.m) break;
    if (output >= out.n) continue;
    Vec4 sum{};
    UNROLL
    for (int part = 0; part < kSomeWarps; ++part) {
      const Vec4 more = load_as<Vec4>(all + ((part * kTokens + token) * row_floats + place));
      sum = {sum.x + more.x, sum.y + more.y, sum.z + more.z, sum.w + more.w};
    }
    const float back = args.back[token] / shrinking(kind, kSharedZero);
    const auto factor = [&](int i) { return output + i < out.n ? back * w.row_factors[output + i] : 0.0f; };
    const float values[4] = {product(sum.x, factor(0)), product(sum.y, factor(1)), product(sum.z, factor(2)),
                             product(sum.w, factor(3))};
    store_products(out, token, output, values, wide);
  }
}

template <WeightKind kind, int kTokens>
DEVICE void some_tokens(const SomeTokensArgs& args) {
  constexpr bool kMayShare = Unpack<kind>::kIntegers;
  if (kMayShare && args.weights.offset_kind == OffsetKind::shared_zero)
    some_tokens_of<kind, kTokens / 8, kMayShare>(args);
  else
    some_tokens_of<kind, kTokens / 8, false>(args);
}

}  // namespace

DEVICE_KERNEL_AHEAD(some_tokens_int4_16, SomeTokensArgs, kSomeThreads, 1) {
  some_tokens<WeightKind::int4, 16>(args);
}
DEVICE_KERNEL_AHEAD(some_tokens_int4_32, SomeTokensArgs, kSomeThreads, 1) {
  some_tokens<WeightKind::int4, 32>(args);
}
DEVICE_KERNEL_AHEAD(some_tokens_int8_16, SomeTokensArgs, kSomeThreads, 1) {
  some_tokens<WeightKind::int8, 16>(args);
}
DEVICE_KERNEL_AHEAD(some_tokens_int8_32, SomeTokensArgs, kSomeThreads, 1) {
  some_tokens<WeightKind::int8, 32>(args);
}
DEVICE_KERNEL_AHEAD(some_tokens_half_16, SomeTokensArgs, kSomeThreads, 1) {
  some_tokens<WeightKind::half, 16>(args);
}
DEVICE_KERNEL_AHEAD(some_tokens_half_32, SomeTokensArgs, kSomeThreads, 1) {
  some_tokens<WeightKind::half, 32>(args);
}

}  // namespace halftone::cuda
