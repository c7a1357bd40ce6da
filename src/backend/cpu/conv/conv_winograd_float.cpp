#include <algorithm>
#include <limits>
#include <utility>

#include "backend/cpu/conv/conv_site.h"
#include "backend/cpu/packed_memory.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "backend/cpu/tile/float_tile_loops.h"
#include "backend/cpu/winograd/winograd_loops.h"
#include "base/checked.h"

// 3x3 convolutions of stride 1 by Winograd's transform (winograd_loops.h): a quarter of the products, for two
// transforms and weights four times as large.

namespace halftone::cpu {
namespace {

/// Fewer channels or outputs than this cost more in transforms than they save in products.
constexpr int64_t kFewest = 12;
/// Weights beyond this many floats, transformed, are read from too far away.
constexpr int64_t kMostWeights = int64_t{5} << 18;
/// Tiles that are transformed at a time: about so many, half as many again at most.
constexpr int64_t kTiles = 24, kMostTiles = 36;

int64_t tiles_along(int64_t outputs) {
  return ceil_div(outputs, kWinogradOut);
}

Refusal supports(const OpSite& site) {
  if (Refusal refusal = float_conv_refusal(site, Storage::Order::channels_last); !refusal.empty())
    return refusal;
  const ConvExtent extent = conv_extent(site);
  if (extent.window.rank != 2) return fmt::format("{} spatial axes", extent.window.rank);
  for (int axis = 0; axis < 2; ++axis) {
    const WindowAxis& a = extent.window[axis];
    if (a.kernel != 3 || a.stride != 1 || a.dilation != 1) return "not 3x3 with stride 1 and dilation 1";
  }
  if (extent.groups != 1) return fmt::format("{} groups", extent.groups);
  const int64_t inputs = extent.group_inputs, outputs = extent.group_outputs;
  if (inputs < kFewest || outputs < kFewest) return fmt::format("{} channels, {} outputs", inputs, outputs);
  if (inputs * outputs * kWinogradParts > kMostWeights)
    return fmt::format("{} channels and {} outputs make too many transformed weights", inputs, outputs);
  const Shape& y = site.outputs[0].shape;
  if (y[2] > 0 && y[3] > 0 && 2 * kWinogradParts * tiles_along(y[2]) * tiles_along(y[3]) > 9 * y[2] * y[3])
    return fmt::format("{} x {} outputs leave tiles half empty", y[2], y[3]);
  return {};
}

/// G g G^T of one 3 x 3 window.
void transform_window(const double (&g)[3][3], double (&to)[kWinogradIn][kWinogradIn]) {
  constexpr double kThird = 1.0 / 3, kRoot = 1.4142135623730951;
  constexpr double kRows[kWinogradIn][3] = {{1, 0, 0},
                                            {-2 * kThird, -kRoot * kThird, -kThird},
                                            {-2 * kThird, kRoot * kThird, -kThird},
                                            {kThird / 2, kRoot * kThird / 2, kThird},
                                            {kThird / 2, -kRoot * kThird / 2, kThird},
                                            {0, 0, 1}};
  double down[kWinogradIn][3];
  for (int i = 0; i < kWinogradIn; ++i)
    for (int x = 0; x < 3; ++x)
      down[i][x] = kRows[i][0] * g[0][x] + kRows[i][1] * g[1][x] + kRows[i][2] * g[2][x];
  for (int i = 0; i < kWinogradIn; ++i)
    for (int j = 0; j < kWinogradIn; ++j)
      to[i][j] = kRows[j][0] * down[i][0] + kRows[j][1] * down[i][1] + kRows[j][2] * down[i][2];
}

class WinogradConv final : public PreparedKernel {
 public:
  WinogradConv(const OpSite& site, const WinogradLoops& loops, const FloatTileLoops& product,
               const ActivationLoops& activations, int threads)
      : loops_(loops),
        product_(product),
        activations_(activations),
        window_(conv_extent(site).window),
        epilogue_(make_epilogue(fused_activation(site))),
        threads_(threads) {
    const ConvWeights weights(site);
    channels_ = weights.group_inputs();
    outputs_ = weights.outputs();
    padded_channels_ = round_up(channels_, loops.width);
    padded_outputs_ = round_up(outputs_, loops.width);
    weights_ =
        PackedMemory(static_cast<size_t>((channels_ * kWinogradParts + 1) * padded_outputs_) * sizeof(float),
                     [&](std::byte* memory) { pack(weights, reinterpret_cast<float*>(memory)); });
    zeros_.resize(static_cast<size_t>(std::max(kWinogradIn * channels_, product.width)));
  }

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  bool spaces_rows() const override { return true; }
  size_t packed_bytes() const override { return weights_.size(); }
  size_t workspace_bytes(const OpSite&) const override {
    return static_cast<size_t>(threads_ * worker_floats()) * sizeof(float);
  }

  void run(const KernelRun& run) const override {
    const Planes planes = make_planes(window_, run.inputs[0].tensor.shape, run.outputs[0].shape);
    const int64_t tiles = planes.batch * tiles_along(planes.out_rows) * tiles_along(planes.out_columns);
    const int64_t workers = std::min<int64_t>(threads_, run.threads.size());
    const int64_t panels = ceil_div(outputs_, product_.width);
    const int64_t blocks = std::max((tiles + kTiles / 2) / kTiles, std::min<int64_t>(tiles, 1));
    // Few blocks are shared out by outputs besides, so that each thread reads a part of the weights only.
    const int64_t chunks = blocks % workers == 0 || blocks >= 4 * workers ? 1 : std::min(workers, panels);
    run.threads.parallel_for(workers, 1, [&](int64_t first, int64_t last) {
      const SubnormalsAsZero mode;
      for (int64_t worker = first; worker < last; ++worker) {
        float* scratch = reinterpret_cast<float*>(run.workspace.data()) + worker * worker_floats();
        int64_t at_hand = -1;
        for (int64_t i = blocks * chunks * worker / workers; i < blocks * chunks * (worker + 1) / workers;
             ++i) {
          const int64_t block = i / chunks, chunk = i % chunks;
          Block b(planes, tiles * block / blocks, tiles * (block + 1) / blocks, *this);
          if (block != std::exchange(at_hand, block)) read_block(run, b, scratch);
          for (int64_t p = panels * chunk / chunks; p < panels * (chunk + 1) / chunks; ++p)
            run_panel(run, b, p * product_.width, scratch);
        }
      }
    });
  }

 private:
  /// Tiles [begin, end) of all pictures.
  struct Block {
    Block(const Planes& p, int64_t first, int64_t last, const WinogradConv& conv)
        : planes(p),
          begin(first),
          count(last - first),
          in_step(odd_lines(count * conv.padded_channels_)),
          out_step(odd_lines(count * conv.product_.width)) {}
    const Planes& planes;
    int64_t begin, count;
    int64_t in_step, out_step;  ///< floats from part to part of what is read, and of the sums
  };
  /// A step of so many floats at least that does not put all parts into a few sets of the nearest cache.
  static constexpr int64_t kLine = 16;
  static int64_t odd_lines(int64_t floats) { return (ceil_div(floats, kLine) | 1) * kLine; }

  struct Tile {
    int64_t picture, row, column;  ///< of its first output
  };
  static Tile tile_at(const Planes& p, int64_t tile) {
    const int64_t columns = tiles_along(p.out_columns), rows = tiles_along(p.out_rows);
    return {tile / columns / rows, tile / columns % rows * kWinogradOut, tile % columns * kWinogradOut};
  }

  /// What is read of a block, the sums of a panel, a tile at the edge with zeros around.
  int64_t read_floats() const { return kWinogradParts * odd_lines(kMostTiles * padded_channels_); }
  int64_t sum_floats() const { return kWinogradParts * odd_lines(kMostTiles * product_.width); }
  int64_t worker_floats() const {
    return read_floats() + sum_floats() + round_up(kWinogradParts * channels_, kLine);
  }

  /// [panels][parts][channels][outputs of a panel], then the biases.
  void pack(const ConvWeights& weights, float* to) const {
    std::fill_n(to, (channels_ * kWinogradParts + 1) * padded_outputs_, 0.0f);
    for (int64_t n = 0; n < outputs_; ++n) {
      const int64_t first = n / product_.width * product_.width;
      const int64_t width = std::min(product_.width, padded_outputs_ - first);
      for (int64_t c = 0; c < channels_; ++c) {
        double g[3][3], made[kWinogradIn][kWinogradIn];
        for (int64_t t = 0; t < 9; ++t) g[t / 3][t % 3] = static_cast<double>(weights.weight(n, c, t));
        transform_window(g, made);
        float* at = to + first * channels_ * kWinogradParts + c * width + n - first;
        for (int64_t part = 0; part < kWinogradParts; ++part)
          at[part * channels_ * width] = static_cast<float>(made[part / kWinogradIn][part % kWinogradIn]);
      }
      to[channels_ * kWinogradParts * padded_outputs_ + n] = weights.bias(n);
    }
  }
  const float* packed() const { return reinterpret_cast<const float*>(weights_.data()); }

  void read_block(const KernelRun& run, const Block& block, float* scratch) const {
    const Planes& p = block.planes;
    const float* x = run.inputs[0].span<float>().data();
    float* edge = scratch + read_floats() + sum_floats();
    for (int64_t i = 0; i < block.count; ++i) {
      const Tile tile = tile_at(p, block.begin + i);
      const int64_t top = tile.row - p.y.pad_begin, left = tile.column - p.x.pad_begin;
      const bool cut = left < 0 || left + kWinogradIn > p.columns;
      const int64_t begin = std::clamp(-left, int64_t{0}, kWinogradIn) * channels_;
      const int64_t end = std::clamp(p.columns - left, int64_t{0}, kWinogradIn) * channels_;
      const float* rows[kWinogradIn];
      for (int64_t y = 0; y < kWinogradIn; ++y) {
        rows[y] = zeros_.data();
        if (top + y < 0 || top + y >= p.rows) continue;
        rows[y] = x + ((tile.picture * p.rows + top + y) * p.columns + left) * channels_;
        if (!cut) continue;
        float* to = edge + y * kWinogradIn * channels_;
        std::fill(to, to + begin, 0.0f);
        if (begin < end) std::copy(rows[y] + begin, rows[y] + end, to + begin);
        std::fill(to + std::max(begin, end), to + kWinogradIn * channels_, 0.0f);
        rows[y] = to;
      }
      loops_.read(rows, channels_, channels_, scratch + i * padded_channels_, block.in_step);
    }
  }

  void run_panel(const KernelRun& run, const Block& block, int64_t first, float* scratch) const {
    const Planes& p = block.planes;
    const int64_t outputs = std::min(product_.width, outputs_ - first), step = run.step_of(outputs_);
    const int64_t width = std::min(product_.width, padded_outputs_ - first);
    float* sums = scratch + read_floats();
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (int64_t part = 0; part < kWinogradParts; ++part)
      product_.dense(
          scratch + part * block.in_step, padded_channels_, block.count, channels_,
          packed() + (first * kWinogradParts + part * width) * channels_, width,
          {sums + part * block.out_step, product_.width, zeros_.data(), nullptr, 0, -kInfinity, kInfinity});
    float* y = run.outputs[0].span<float>().data();
    const float* residual = run.site.has_input(3) ? run.inputs[3].span<float>().data() : nullptr;
    for (int64_t i = 0; i < block.count; ++i) {
      const Tile tile = tile_at(p, block.begin + i);
      const int64_t place = (tile.picture * p.out_rows + tile.row) * p.out_columns + tile.column;
      const WinogradOutput out{y + place * step + first,
                               p.out_columns * step,
                               step,
                               residual ? residual + place * outputs_ + first : nullptr,
                               p.out_columns * outputs_,
                               outputs_,
                               std::min(kWinogradOut, p.out_rows - tile.row),
                               std::min(kWinogradOut, p.out_columns - tile.column),
                               packed() + channels_ * kWinogradParts * padded_outputs_ + first,
                               epilogue_.low,
                               epilogue_.high};
      loops_.write(sums + i * product_.width, block.out_step, outputs, out);
      if (!epilogue_.has_map) continue;
      for (int64_t row = 0; row < out.rows; ++row)
        for (int64_t column = 0; column < out.columns; ++column)
          epilogue_.apply(activations_, out.y + row * out.line + column * out.step, outputs);
    }
  }

  const WinogradLoops& loops_;
  const FloatTileLoops& product_;
  const ActivationLoops& activations_;
  Window window_;
  Epilogue epilogue_;
  int threads_;
  int64_t channels_, outputs_, padded_channels_, padded_outputs_;
  PackedMemory weights_;
  std::vector<float> zeros_;
};

template <const WinogradLoops& kLoops, const FloatTileLoops& kProduct, const ActivationLoops& kActivations>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<WinogradConv>(site, kLoops, kProduct, kActivations, threads.size());
}

}  // namespace

#define HALFTONE_CONV_WINOGRAD(isa)                                                                          \
  extern const Kernel conv_winograd_float_##isa{"conv_winograd_float_" #isa,                                 \
                                                "Conv",                                                      \
                                                Isa::isa,                                                    \
                                                supports,                                                    \
                                                prepare<winograd_##isa, float_tile_##isa, activation_##isa>, \
                                                true};

#if defined(__x86_64__)
HALFTONE_CONV_WINOGRAD(avx512vnni)
HALFTONE_CONV_WINOGRAD(avx2)
#elif defined(__aarch64__)
HALFTONE_CONV_WINOGRAD(neon)
#endif

}  // namespace halftone::cpu
