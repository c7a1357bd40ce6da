#include <algorithm>
#include <array>
#include <limits>

#include "backend/cpu/conv/conv_site.h"
#include "backend/cpu/packed_memory.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "backend/cpu/tile/float_tile_loops.h"
#include "backend/cpu/winograd/winograd_line_loops.h"
#include "base/checked.h"

// Convolutions along one axis, of 3 to 5 taps and stride 1, by Winograd's transform (winograd_line_loops.h):
// half to six tenths of the products, for two transforms. Outputs a dilation apart are neighbours to it.

namespace halftone::cpu {
namespace {

/// Fewer channels or outputs than this cost more in transforms than they save in products.
constexpr int64_t kFewest = 16;
/// Weights beyond this many floats, transformed, are read from too far away.
constexpr int64_t kMostWeights = int64_t{5} << 18;
/// Tiles that are transformed at a time.
constexpr int64_t kFewestTiles = 12, kMostTiles = 48;
constexpr int64_t kLine = 16;  ///< floats of a line of cache

int64_t tile_outputs(int64_t taps) {
  return kLineParts + 1 - taps;
}
/// Of a line of so many outputs, some of them perhaps without any that exists.
int64_t tiles_along(int64_t outputs, const WindowAxis& axis) {
  return axis.dilation * ceil_div(outputs, tile_outputs(axis.kernel) * axis.dilation);
}

bool is_nothing(const WindowAxis& axis) {
  return axis.kernel == 1 && axis.stride == 1 && axis.pad_begin == 0 && axis.pad_end == 0;
}

Refusal supports(const OpSite& site) {
  if (Refusal refusal = float_conv_refusal(site, Storage::Order::channels_last); !refusal.empty())
    return refusal;
  const ConvExtent extent = conv_extent(site);
  const Window& window = extent.window;
  int axis = 0;
  if (window.rank == 2) {
    if (is_nothing(window[0]))
      axis = 1;
    else if (!is_nothing(window[1]) || site.input_shape(0)[3] != 1)
      return "not along one axis";
  }
  const WindowAxis& a = window[axis];
  if (a.kernel < 3 || a.kernel > 5 || a.stride != 1) return "not of 3 to 5 taps with stride 1";
  if (extent.groups != 1) return fmt::format("{} groups", extent.groups);
  const int64_t inputs = extent.group_inputs, outputs = extent.group_outputs;
  if (inputs < kFewest || outputs < kFewest) return fmt::format("{} channels, {} outputs", inputs, outputs);
  if (inputs * outputs * kLineParts > kMostWeights)
    return fmt::format("{} channels and {} outputs make too many transformed weights", inputs, outputs);
  const int64_t length = site.outputs[0].shape[axis + 2];
  if (length >= 0 && 4 * kLineParts * tiles_along(length, a) > 3 * a.kernel * length)
    return fmt::format("{} outputs leave tiles half empty", length);
  return {};
}

/// G g of one window of `taps` weights.
std::array<double, kLineParts> transform_window(const std::array<double, 5>& g, int64_t taps) {
  constexpr double kNear = 0.70710678118654752, kFar = 1.4142135623730951;
  constexpr double kPoints[] = {0, kNear, -kNear, kFar, -kFar};
  constexpr double kFactors[] = {1, -2.0 / 3, -2.0 / 3, 1.0 / 6, 1.0 / 6};
  std::array<double, kLineParts> to{};
  for (size_t i = 0; i < 5; ++i) {
    double power = kFactors[i];
    for (int64_t t = 0; t < taps; ++t, power *= kPoints[i]) to[i] += power * g[static_cast<size_t>(t)];
  }
  to[5] = g[static_cast<size_t>(taps - 1)];
  return to;
}

class WinogradLineConv final : public PreparedKernel {
 public:
  WinogradLineConv(const OpSite& site, const WinogradLineLoops& loops, const FloatTileLoops& product,
                   const ActivationLoops& activations, int threads)
      : loops_(loops),
        product_(product),
        activations_(activations),
        window_(conv_extent(site).window),
        epilogue_(make_epilogue(fused_activation(site))),
        threads_(threads) {
    const ConvWeights weights(site);
    taps_ = weights.taps();
    channels_ = weights.group_inputs();
    outputs_ = weights.outputs();
    padded_channels_ = round_up(channels_, loops.width);
    padded_outputs_ = round_up(outputs_, loops.width);
    weights_ =
        PackedMemory(static_cast<size_t>((channels_ * kLineParts + 1) * padded_outputs_) * sizeof(float),
                     [&](std::byte* memory) { pack(weights, reinterpret_cast<float*>(memory)); });
    zeros_.resize(static_cast<size_t>(std::max(channels_, product.width)));
  }

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  bool spaces_rows() const override { return true; }
  size_t packed_bytes() const override { return weights_.size(); }
  size_t workspace_bytes(const OpSite&) const override {
    return static_cast<size_t>(threads_ * worker_floats()) * sizeof(float);
  }

  void run(const KernelRun& run) const override {
    const Planes planes = lying(make_planes(window_, run.inputs[0].tensor.shape, run.outputs[0].shape));
    const int64_t tiles = planes.batch * planes.out_rows * tiles_along(planes.out_columns, planes.x);
    const int64_t workers = std::min<int64_t>(threads_, run.threads.size());
    const int64_t most = std::clamp(ceil_div(tiles, workers), kFewestTiles, kMostTiles);
    const int64_t blocks = ceil_div(tiles, most);
    run.threads.parallel_for(workers, 1, [&](int64_t first, int64_t last) {
      const SubnormalsAsZero mode;
      for (int64_t worker = first; worker < last; ++worker) {
        float* scratch = reinterpret_cast<float*>(run.workspace.data()) + worker * worker_floats();
        for (int64_t i = blocks * worker / workers; i < blocks * (worker + 1) / workers; ++i)
          run_block(run, planes, tiles * i / blocks, tiles * (i + 1) / blocks, scratch);
      }
    });
  }

 private:
  /// A step of so many floats at least that does not put all parts into a few sets of the nearest cache.
  static int64_t odd_lines(int64_t floats) { return (ceil_div(floats, kLine) | 1) * kLine; }
  int64_t read_floats() const { return kLineParts * odd_lines(kMostTiles * padded_channels_); }
  int64_t worker_floats() const {
    return read_floats() + kLineParts * odd_lines(kMostTiles * product_.width);
  }

  /// [panels][parts][channels][outputs of a panel], then the biases.
  void pack(const ConvWeights& weights, float* to) const {
    std::fill_n(to, (channels_ * kLineParts + 1) * padded_outputs_, 0.0f);
    for (int64_t n = 0; n < outputs_; ++n) {
      const int64_t first = n / product_.width * product_.width;
      const int64_t width = std::min(product_.width, padded_outputs_ - first);
      for (int64_t c = 0; c < channels_; ++c) {
        std::array<double, 5> g{};
        for (int64_t t = 0; t < taps_; ++t)
          g[static_cast<size_t>(t)] = static_cast<double>(weights.weight(n, c, t));
        float* at = to + first * channels_ * kLineParts + c * width + n - first;
        for (double part : transform_window(g, taps_)) {
          *at = static_cast<float>(part);
          at += channels_ * width;
        }
      }
      to[channels_ * kLineParts * padded_outputs_ + n] = weights.bias(n);
    }
  }
  const float* packed() const { return reinterpret_cast<const float*>(weights_.data()); }

  /// A tile's first output, and how many of its outputs exist.
  struct Tile {
    int64_t line, column, existing;
  };
  Tile tile_at(const Planes& p, int64_t tile) const {
    const int64_t along = tiles_along(p.out_columns, p.x), dilation = p.x.dilation;
    const int64_t made = tile_outputs(taps_), at = tile % along;
    const int64_t column = at / dilation * dilation * made + at % dilation;
    const int64_t left = column < p.out_columns ? ceil_div(p.out_columns - column, dilation) : 0;
    return {tile / along, column, std::min(made, left)};
  }

  void run_block(const KernelRun& run, const Planes& p, int64_t first, int64_t end, float* scratch) const {
    const int64_t count = end - first, step = run.step_of(outputs_);
    const int64_t in_step = odd_lines(count * padded_channels_), out_step = odd_lines(count * product_.width);
    float* sums = scratch + read_floats();
    for (int64_t i = 0; i < count; ++i)
      read_tile(run, p, tile_at(p, first + i), scratch + i * padded_channels_, in_step);
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    float* y = run.outputs[0].span<float>().data();
    const float* residual = run.site.has_input(3) ? run.inputs[3].span<float>().data() : nullptr;
    for (int64_t n = 0; n < outputs_; n += product_.width) {
      const int64_t width = std::min(product_.width, padded_outputs_ - n);
      for (int64_t part = 0; part < kLineParts; ++part)
        product_.dense(
            scratch + part * in_step, padded_channels_, count, channels_,
            packed() + (n * kLineParts + part * width) * channels_, width,
            {sums + part * out_step, product_.width, zeros_.data(), nullptr, 0, -kInfinity, kInfinity});
      for (int64_t i = 0; i < count; ++i) {
        const Tile tile = tile_at(p, first + i);
        const int64_t place = tile.line * p.out_columns + tile.column;
        loops_.write(
            sums + i * product_.width, out_step, std::min(product_.width, outputs_ - n),
            {y + place * step + n, p.x.dilation * step, residual ? residual + place * outputs_ + n : nullptr,
             p.x.dilation * outputs_, tile_outputs(taps_), tile.existing,
             packed() + channels_ * kLineParts * padded_outputs_ + n, epilogue_.low, epilogue_.high});
      }
    }
    if (!epilogue_.has_map) return;
    for (int64_t i = 0; i < count; ++i) {
      const Tile tile = tile_at(p, first + i);
      for (int64_t j = 0; j < tile.existing; ++j)
        epilogue_.apply(activations_, y + (tile.line * p.out_columns + tile.column + j * p.x.dilation) * step,
                        outputs_);
    }
  }

  void read_tile(const KernelRun& run, const Planes& p, const Tile& tile, float* to,
                 int64_t part_step) const {
    const float* line = run.inputs[0].span<float>().data() + tile.line * p.columns * channels_;
    std::array<const float*, kLineParts> places;
    for (int64_t i = 0; i < kLineParts; ++i) {
      const int64_t column = tile.column - p.x.pad_begin + i * p.x.dilation;
      places[static_cast<size_t>(i)] =
          column >= 0 && column < p.columns ? line + column * channels_ : zeros_.data();
    }
    loops_.read(places.data(), channels_, to, part_step);
  }

  const WinogradLineLoops& loops_;
  const FloatTileLoops& product_;
  const ActivationLoops& activations_;
  Window window_;
  Epilogue epilogue_;
  int threads_;
  int64_t taps_, channels_, outputs_, padded_channels_, padded_outputs_;
  PackedMemory weights_;
  std::vector<float> zeros_;
};

template <const WinogradLineLoops& kLoops, const FloatTileLoops& kProduct,
          const ActivationLoops& kActivations>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<WinogradLineConv>(site, kLoops, kProduct, kActivations, threads.size());
}

}  // namespace

#define HALFTONE_CONV_WINOGRAD_LINE(isa)                                \
  extern const Kernel conv_winograd_line_##isa{                         \
      "conv_winograd_line_" #isa,                                       \
      "Conv",                                                           \
      Isa::isa,                                                         \
      supports,                                                         \
      prepare<winograd_line_##isa, float_tile_##isa, activation_##isa>, \
      true};

#if defined(__x86_64__)
HALFTONE_CONV_WINOGRAD_LINE(avx512vnni)
HALFTONE_CONV_WINOGRAD_LINE(avx2)
#elif defined(__aarch64__)
HALFTONE_CONV_WINOGRAD_LINE(neon)
#endif

}  // namespace halftone::cpu
