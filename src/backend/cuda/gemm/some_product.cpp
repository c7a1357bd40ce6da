#include "backend/cuda/gemm/some_product.h"

#include <algorithm>

#include "backend/cuda/gemm/half_rows.h"
#include "backend/cuda/gemm/some_tokens_kernels.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

constexpr int kSomeRows = 32, kMostStages = 4;
/// What a block's rows of A cost beside one tile's weights, which come from farther away.
constexpr int64_t kRowsInTiles = 1;

int tokens_of(int m) {
  return m <= 16 ? 16 : 32;
}

const DeviceKernel<SomeTokensArgs>& kernel_of(WeightKind kind, int tokens) {
  const bool few = tokens == 16;
  if (kind == WeightKind::int4) return few ? some_tokens_int4_16 : some_tokens_int4_32;
  if (kind == WeightKind::int8) return few ? some_tokens_int8_16 : some_tokens_int8_32;
  return few ? some_tokens_half_16 : some_tokens_half_32;
}

/// Tiles of a block and its warps' steps under way.
struct Share {
  int tiles, stages;
};

/// Of those that fit, the tiles that keep the chip busy for the shortest time; none (0) where not even one
/// fits with two steps.
Share share(const Chip& chip, const WeightsView& w, int tokens) {
  const auto most = static_cast<int>(chip.shared_bytes);
  const auto fits = [&](int tiles, int stages) {
    return some_shared_bytes(w, tokens, tiles, stages) <= most;
  };
  const int64_t all = tiles_of(w.n);
  Share best{0, 2};
  int64_t best_cost = 0;
  for (int least : {3, 2}) {
    for (int tiles = 1; tiles <= some_tiles(tokens) && fits(tiles, least); ++tiles) {
      const int64_t turns = ceil_div(ceil_div(all, int64_t{tiles}), int64_t{chip.multiprocessors});
      const int64_t cost = turns * (tiles + kRowsInTiles);
      if (best.tiles > 0 && cost >= best_cost) continue;
      best.tiles = tiles;
      best_cost = cost;
    }
    if (best.tiles > 0) break;
  }
  if (best.tiles == 0) return best;
  best.stages = kMostStages;
  while (!fits(best.tiles, best.stages)) --best.stages;
  return best;
}

size_t rows_bytes(const WeightsView& w, int m) {
  return round_up(static_cast<size_t>(int64_t{m} * w.packed_k) * sizeof(uint16_t), size_t{256});
}

}  // namespace

bool multiplied_by_some(Device& device, const WeightsView& w, int m) {
  return m <= kSomeRows &&
         (w.kind == WeightKind::int4 || w.kind == WeightKind::int8 || w.kind == WeightKind::half) &&
         share(device.chip(), w, tokens_of(m)).tiles > 0;
}

size_t some_workspace(const WeightsView& weights, int m) {
  return rows_bytes(weights, m) + static_cast<size_t>(m) * sizeof(float);
}

void multiply_some(Device& device, const WeightsView& weights, const Floats& a, const GemmOutput& out,
                   std::byte* workspace) {
  auto* rows = reinterpret_cast<uint16_t*>(workspace);
  auto* back = reinterpret_cast<float*>(workspace + rows_bytes(weights, out.m));
  launch_half_rows(device, {a, weights, rows, nullptr, back, nullptr, 0, false, false}, out.m);
  const int tokens = tokens_of(out.m);
  const Share chosen = share(device.chip(), weights, tokens);
  const SomeTokensArgs args{
      weights, rows, back, out, chosen.tiles, chosen.stages, scale_groups(weights, kSomeColumns)};
  const auto shared = static_cast<size_t>(some_shared_bytes(weights, tokens, chosen.tiles, chosen.stages));
  device.launch(kernel_of(weights.kind, tokens),
                {{ceil_div(tiles_of(weights.n), chosen.tiles)}, kSomeThreads, shared}, args);
}

}  // namespace halftone::cuda
