#pragma once

#include "backend/cuda/gemm/windows_in_tf32.h"

namespace halftone::cuda {

/// One block's steps of one tile of Y.
struct ManySegment {
  int tile;         ///< rows of A within outputs
  int first, last;  ///< steps
};

/// The blocks of a grid and what each has to do: first whole tiles, in turns, so that blocks that run at a
/// time read what others read; the last tiles' steps, of at least as many tiles as there are blocks if there
/// are so many, are shared out evenly.
struct ManyShares {
  int tiles, steps, blocks, whole;
  int64_t units;        ///< steps of the shared tiles
  int64_t base, extra;  ///< units of a block; the first `extra` blocks have one more
  DEVICE_MEMBER ManyShares(int tile_count, int steps_of_a_tile, int block_count)
      : tiles(tile_count), steps(steps_of_a_tile), blocks(block_count), whole(0) {
    const int turns = tiles / blocks;
    whole = tiles % blocks == 0 ? tiles : turns > 1 ? (turns - 1) * blocks : 0;
    units = int64_t{tiles - whole} * steps;
    base = quotient(units, blocks);
    extra = units - base * blocks;
  }
  DEVICE_MEMBER int64_t begin(int block) const { return base * block + (block < extra ? block : extra); }
  /// The block that has a step of a shared tile.
  DEVICE_MEMBER int owner(int tile, int step) const {
    const int64_t unit = int64_t{tile - whole} * steps + step, longer = extra * (base + 1);
    return static_cast<int>(unit < longer ? quotient(unit, base + 1) : extra + quotient(unit - longer, base));
  }
  /// A division of 32 bits wherever that will do: one of 64 takes a hundred instructions.
  DEVICE_MEMBER static int64_t quotient(int64_t a, int64_t b) {
    if (a <= 0x7fffffff && b <= 0x7fffffff) return static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
    return a / b;
  }

  /// Calls with each segment of a block, and whether it is the block's first.
  template <class Visit>
  DEVICE_MEMBER void each_segment(int block, Visit visit) const {
    const int64_t end = begin(block + 1);
    int64_t unit = begin(block);
    bool is_first = true;
    if (block >= whole && unit == end) wait_for_earlier_kernels();
    for (int tile = block; tile < whole || unit < end;) {
      ManySegment part{tile, 0, steps};
      if (tile < whole) {
        tile += blocks;
      } else {
        const auto shared_tile = static_cast<int>(quotient(unit, steps));
        part.tile = whole + shared_tile;
        part.first = static_cast<int>(unit - int64_t{shared_tile} * steps);
        if (end - unit < steps - part.first) part.last = part.first + static_cast<int>(end - unit);
        unit += part.last - part.first;
      }
      visit(part, is_first);
      is_first = false;
    }
  }
};

/// Where four neighbouring outputs `v` of a tile of Y lie in shared memory.
template <class S>
DEVICE int tile_place(int v) {
  constexpr int kRow = S::kOutputs / 4;
  return v / kRow * kTileRowFloats<S> + v % kRow * 4;
}

/// From shared memory. `factor`: of all sums.
template <class S>
DEVICE void store_tile(const ManyTokensArgs& args, int token0, int output0, float factor) {
  constexpr int kRow = S::kOutputs / 4;
  const GemmOutput& out = args.out;
  const int output = output0 + thread() % kRow * 4;
  const bool whole = output < out.n && stores_fours(out);
  float factors[4];
  UNROLL
  for (int i = 0; i < 4; ++i)
    factors[i] = output + i < out.n ? factor * args.weights.row_factors[output + i] : 0;
  for (int v = thread(); v < S::kTokens * kRow; v += S::kThreads) {
    const int token = token0 + v / kRow;
    if (token >= out.m) break;
    const Vec4 sum = load_as<Vec4>(shared_memory<float>(0) + tile_place<S>(v));
    const float back = args.back ? args.back[token] : 1.0f;
    const float values[4] = {product(sum.x, back * factors[0]), product(sum.y, back * factors[1]),
                             product(sum.z, back * factors[2]), product(sum.w, back * factors[3])};
    store_products(out, token, output, values, whole);
  }
}

/// Ends a segment whose sums lie in shared memory: stores them as Y, or leaves them for the block that comes
/// last to the tile, or adds up what others left.
template <class S>
DEVICE void finish_segment(const ManyTokensArgs& args, const ManyShares& shares, const ManySegment& part,
                           int token0, int output0, float factor) {
  const Shared<float> tile = shared_memory<float>(0);
  if (part.first > 0 || part.last < shares.steps) {
    float* left = args.partial + (int64_t{block_x()} * 2 + (part.first == 0 ? 1 : 0)) * S::kSums;
    for (int v = thread(); v < S::kSums / 4; v += S::kThreads)
      store_wide(left + 4 * v, load_as<Vec4>(tile + tile_place<S>(v)));
    fence();
    sync_block();
    const int first_block = shares.owner(part.tile, 0);
    const int last_block = shares.owner(part.tile, shares.steps - 1);
    const Shared<int> order = shared_memory<int>(0);
    if (thread() == 0) *order = atomic_add(args.arrived + part.tile, 1);
    sync_block();
    const bool ends = *order == last_block - first_block;
    sync_block();
    if (!ends) return;
    fence();
    for (int v = thread(); v < S::kSums / 4; v += S::kThreads) {
      Vec4 sum{};
      for (int block = first_block; block <= last_block; ++block) {
        const Vec4 more = load_wide<Vec4>(
            args.partial + (int64_t{block} * 2 + (block == first_block ? 1 : 0)) * S::kSums + 4 * v);
        sum = {sum.x + more.x, sum.y + more.y, sum.z + more.z, sum.w + more.w};
      }
      store_as<Vec4>(tile + tile_place<S>(v), sum);
    }
    sync_block();
  }
  if constexpr (S::kWindows) {
    if (args.exact) {
      sum_windows_in_tf32<S>(args, token0, output0 / kTileRows);
      sync_block();
    }
  }
  store_tile<S>(args, token0, output0, factor);
}

}  // namespace halftone::cuda
