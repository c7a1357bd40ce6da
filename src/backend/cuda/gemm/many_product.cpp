#include "backend/cuda/gemm/many_product.h"

#include <algorithm>

#include "backend/cuda/gemm/half_rows.h"
#include "backend/cuda/gemm/wide_tokens_kernels.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

/// Each block keeps this many steps at least.
constexpr int64_t kLeastSteps = 2;
/// Of these blocks of whole tiles, rather than of even shares, so much of the chip must be busy.
constexpr double kBusyEnough = 0.8;
/// What the driver takes of each block's shared memory.
constexpr size_t kBlockOverhead = 1024;

/// The most steps under way that many_tokens and wide_tokens know how to wait for.
constexpr size_t kManyStages = 4, kWideStages = 5;
/// Rows from which wide_tokens is taken to be faster than many_tokens.
constexpr int kWideRows = 33;

/// A kernel, its rows of a tile of Y, and how many of its blocks an SM is to hold.
struct Choice {
  const DeviceKernel<ManyTokensArgs>* kernel;
  int tokens, blocks_an_sm;
  bool warpgroups = false;  ///< one of wide_tokens
};

/// Whether the build has kernels for them: wide_tokens_90a.cu.
#ifdef HALFTONE_NO_WARPGROUPS
constexpr bool kWarpgroups = false;
#else
constexpr bool kWarpgroups = true;
#endif

/// The kernel of wide_tokens, if it takes such weights and the chip has room for it; its `kernel` is null
/// otherwise.
Choice wide_choice(const Chip& chip, const WeightsView& w, int m) {
  const auto fits = [&](int tokens) {
    return chip.shared_bytes >=
           static_cast<size_t>(std::max(wide_sum_bytes(tokens), 3 * wide_stage_bytes(w, tokens)));
  };
  if (!kWarpgroups || chip.compute != 90 || m < kWideRows || !fits(64)) return {};
  const bool few = m <= 64 || !fits(128);
  const int tokens = few ? 64 : 128;
  switch (w.kind) {
    case WeightKind::int4:
      return {few ? &wide_tokens_int4_64 : &wide_tokens_int4_128, tokens, 1, true};
    case WeightKind::int8:
      return {few ? &wide_tokens_int8_64 : &wide_tokens_int8_128, tokens, 1, true};
    case WeightKind::half:
      return {few ? &wide_tokens_half_64 : &wide_tokens_half_128, tokens, 1, true};
    default:
      return {};
  }
}

Choice of_two(int m, const DeviceKernel<ManyTokensArgs>& few, const DeviceKernel<ManyTokensArgs>& many) {
  if (m <= 16) return {&few, 16, 2};
  return {&many, 64, 1};
}

Choice choice(WeightKind kind, int m) {
  switch (kind) {
    case WeightKind::int8:
      return {&many_tokens_int8_64, 64, 1};
    case WeightKind::int4:
      return {&many_tokens_int4_64, 64, 1};
    case WeightKind::split:
      return {&many_tokens_split_64, 64, 2};
    case WeightKind::int2:
      return of_two(m, many_tokens_int2_16, many_tokens_int2_64);
    case WeightKind::table4:
      return of_two(m, many_tokens_table4_16, many_tokens_table4_64);
    case WeightKind::e4m3:
      return {&many_tokens_e4m3_64, 64, 1};
    case WeightKind::e5m2:
      return {&many_tokens_e5m2_64, 64, 1};
    default:
      return {&many_tokens_half_64, 64, 1};
  }
}

/// The same for windows of pictures.
Choice of_windows(Choice chosen) {
  chosen.kernel = !chosen.warpgroups    ? &many_windows_64
                  : chosen.tokens == 64 ? &wide_windows_64
                                        : &wide_windows_128;
  return chosen;
}

/// What depends on the kind of kernel.
struct Sizes {
  int outputs, columns, threads;
  size_t stage, sums, least_stages, most_stages;
};
Sizes sizes_of(const Choice& chosen, const WeightsView& w) {
  const auto bytes = [](int count) { return static_cast<size_t>(count); };
  if (chosen.warpgroups)
    return {kWideOutputs,
            wide_columns(w.kind),
            kWideThreads,
            bytes(wide_stage_bytes(w, chosen.tokens)),
            bytes(wide_sum_bytes(chosen.tokens)),
            3,
            kWideStages};
  return {many_outputs(w.kind),
          many_columns(w.kind),
          many_threads(w.kind),
          bytes(many_stage_bytes(w, chosen.tokens)),
          bytes(many_sum_bytes(w.kind, chosen.tokens)),
          2,
          kManyStages};
}

struct Plan {
  Choice chosen;
  Sizes sizes;
  int stages, blocks, tiles;  ///< tiles: of Y
  size_t shared_bytes;
  size_t rest, back, arrived, partial, bytes;  ///< of the workspace
};

Plan plan(Device& device, const WeightsView& w, int m, bool windows = false) {
  Plan made{};
  made.chosen = wide_choice(device.chip(), w, m);
  if (!made.chosen.kernel) made.chosen = choice(w.kind, m);
  if (windows) made.chosen = of_windows(made.chosen);
  const int tokens = made.chosen.tokens;
  const Sizes sizes = made.sizes = sizes_of(made.chosen, w);
  const size_t of_an_sm = device.chip().shared_bytes + kBlockOverhead;
  const auto stages_beside = [&](size_t blocks) {
    const size_t each = of_an_sm / blocks - kBlockOverhead;
    return std::min(sizes.most_stages, each < sizes.sums ? 0 : each / sizes.stage);
  };
  size_t resident = static_cast<size_t>(made.chosen.blocks_an_sm);
  while (resident > 1 && stages_beside(resident) < sizes.least_stages) --resident;
  const size_t stages = std::max(sizes.least_stages, stages_beside(resident));
  made.stages = static_cast<int>(stages);
  made.shared_bytes = std::max(sizes.sums, stages * sizes.stage);

  made.tiles = ceil_div(m, tokens) * ceil_div(w.n, sizes.outputs);
  const int64_t steps = w.packed_k / sizes.columns, units = made.tiles * steps;
  const int64_t slots = int64_t{device.chip().multiprocessors} * static_cast<int64_t>(resident);
  const int64_t most = std::max<int64_t>(made.tiles, units / kLeastSteps);
  const int64_t parts = std::clamp<int64_t>(slots / made.tiles, 1, std::max<int64_t>(1, steps / kLeastSteps));
  const bool whole = static_cast<double>(made.tiles * parts) >= kBusyEnough * static_cast<double>(slots) &&
                     made.tiles * parts <= slots;
  made.blocks = static_cast<int>(whole ? made.tiles * parts : std::min(slots, most));

  size_t bytes = 0;
  const auto reserve = [&](int64_t count) {
    const size_t begin = bytes;
    bytes = round_up(bytes + static_cast<size_t>(count), size_t{256});
    return begin;
  };
  const int64_t rows = windows ? 0 : int64_t{m} * w.packed_k * int64_t{sizeof(uint16_t)};
  reserve(rows);
  made.rest = reserve(w.kind == WeightKind::split ? rows : 0);
  made.back = reserve(windows ? 0 : int64_t{m} * 4);
  made.arrived = reserve(int64_t{made.tiles} * 4);
  made.partial = reserve(int64_t{made.blocks} * 2 * tokens * sizes.outputs * 4);
  made.bytes = bytes;
  return made;
}

}  // namespace

size_t many_workspace(Device& device, const WeightsView& weights, int m) {
  return plan(device, weights, m).bytes;
}

namespace {

void launch_product(Device& device, const Plan& made, ManyTokensArgs args, std::byte* workspace) {
  args.partial = reinterpret_cast<float*>(workspace + made.partial);
  args.arrived = reinterpret_cast<int*>(workspace + made.arrived);
  args.stages = made.stages;
  args.scale_groups = scale_groups(args.weights, made.sizes.columns);
  device.launch(*made.chosen.kernel, {{made.blocks}, made.sizes.threads, made.shared_bytes}, args);
}

}  // namespace

void multiply_many(Device& device, const WeightsView& weights, const Floats& a, const GemmOutput& out,
                   std::byte* workspace) {
  const Plan made = plan(device, weights, out.m);
  ManyTokensArgs args{};
  args.weights = weights;
  auto* rows = reinterpret_cast<uint16_t*>(workspace);
  auto* rest =
      weights.kind == WeightKind::split ? reinterpret_cast<uint16_t*>(workspace + made.rest) : nullptr;
  auto* back = reinterpret_cast<float*>(workspace + made.back);
  auto* arrived = reinterpret_cast<int*>(workspace + made.arrived);
  launch_half_rows(device, {a, weights, rows, rest, back, arrived, made.tiles, made.chosen.warpgroups, false},
                   out.m);
  args.a = rows;
  args.rest = rest;
  args.back = back;
  args.out = out;
  launch_product(device, made, args, workspace);
}

WindowsPlan plan_windows(Device& device, const WeightsView& weights, int m) {
  const Plan made = plan(device, weights, m, true);
  return {made.chosen.warpgroups, made.tiles, made.arrived, made.bytes};
}

void multiply_windows(Device& device, const WeightsView& weights, const PictureRows& picture,
                      const float* exact, const GemmOutput& out, std::byte* workspace) {
  ManyTokensArgs args{};
  args.weights = weights;
  args.picture = picture;
  args.exact = exact;
  args.out = out;
  launch_product(device, plan(device, weights, out.m, true), args, workspace);
}

}  // namespace halftone::cuda
