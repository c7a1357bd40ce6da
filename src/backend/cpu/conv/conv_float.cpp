#include <algorithm>
#include <array>
#include <numeric>

#include "backend/cpu/conv/conv_site.h"
#include "backend/cpu/tile/packed_panels.h"
#include "base/checked.h"

// Convolution of channels-last values as an indirect product (Dukhan, "The Indirect Convolution Algorithm",
// arXiv:1907.02129): each output place is a row of A, found tap by tap through a pointer to its channels, so
// that nothing is copied and padding is a pointer to zeros. A 1x1 convolution is a plain product.

namespace halftone::cpu {
namespace {

/// Pointers of a block of places, on the stack.
constexpr int64_t kPointers = 4096;
/// Register tiles in a block: the panel of weights is read once for them.
constexpr int64_t kBlockTiles = 4;
constexpr int64_t kLargestBlock = 48;

Refusal supports(const OpSite& site) {
  if (Refusal refusal = float_conv_refusal(site, Storage::Order::channels_last); !refusal.empty())
    return refusal;
  const Shape& w = site.input_shape(1);
  const int64_t taps = std::accumulate(w.begin() + 2, w.end(), int64_t{1}, std::multiplies<>());
  if (taps > kPointers / 12) return fmt::format("{} taps", taps);
  return {};
}

class FloatConv : public PreparedKernel {
 public:
  FloatConv(const OpSite& site, const FloatTileLoops& loops, const ActivationLoops& activations)
      : loops_(loops),
        activations_(activations),
        window_(conv_extent(site).window),
        epilogue_(make_epilogue(fused_activation(site))) {
    const ConvWeights weights(site);
    group_inputs_ = weights.group_inputs();
    groups_ = site.attributes->get_int("group", 1);
    group_outputs_ = weights.outputs() / groups_;
    zeros_.resize(static_cast<size_t>(group_inputs_ * window_[window_.rank - 1].kernel));
    for (int64_t g = 0; g < groups_; ++g)
      panels_.emplace_back(
          loops, group_outputs_, group_inputs_ * weights.taps(),
          [&](int64_t n, int64_t k) {
            return weights.weight(g * group_outputs_ + n, k % group_inputs_, k / group_inputs_);
          },
          [&](int64_t n) { return weights.bias(g * group_outputs_ + n); });
    block_ = std::clamp(kPointers / weights.taps() / loops.rows, int64_t{1}, kBlockTiles) * loops.rows;
  }

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override {
    size_t bytes = 0;
    for (const PackedPanels& panels : panels_) bytes += panels.bytes();
    return bytes;
  }

  void run(const KernelRun& run) const override {
    const Planes planes = make_planes(window_, run.inputs[0].tensor.shape, run.outputs[0].shape);
    const int64_t work = groups_ * group_outputs_ * group_inputs_ * planes.taps();
    const std::array<Region, 2> regions = cut(planes);
    const int64_t inner_blocks = ceil_div(regions[0].places(planes), block_);
    const int64_t blocks = inner_blocks + ceil_div(regions[1].places(planes), block_);
    run.threads.parallel_for(blocks, ceil_div(work_grain(work), block_), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Region& region = regions[i < inner_blocks ? 0 : 1];
        const int64_t first = (i < inner_blocks ? i : i - inner_blocks) * block_;
        run_block(run, planes, region, first, std::min(block_, region.places(planes) - first));
      }
    });
  }

 private:
  /// Columns [0, left) and [skip_to, out_columns) of every output row.
  struct Region {
    int64_t left, skip_to, width;  ///< width: columns in all
    bool joined;  ///< every tap of a row of the window lies inside, one behind the other: they are one tap,
                  ///< as long

    int64_t places(const Planes& planes) const { return planes.batch * planes.out_rows * width; }
  };

  /// The columns whose windows lie inside, and the others. Only with groups and dilations of 1 taps can be
  /// joined.
  std::array<Region, 2> cut(const Planes& p) const {
    const Region all{0, 0, p.out_columns, false}, none{0, 0, 0, false};
    if (groups_ != 1 || p.x.dilation != 1 || p.x.kernel == 1) return {all, none};
    const int64_t begin = std::min(ceil_div(p.x.pad_begin, p.x.stride), p.out_columns);
    const int64_t room = p.columns + p.x.pad_begin - p.x.span();
    const int64_t end = room < 0 ? 0 : std::min(room / p.x.stride + 1, p.out_columns);
    if (end <= begin) return {all, none};
    return {Region{0, begin, end - begin, true}, Region{begin, end, p.out_columns - (end - begin), false}};
  }

  bool is_pointwise(const Planes& p) const {
    return p.taps() == 1 && p.y.stride == 1 && p.x.stride == 1 && p.out_rows == p.rows &&
           p.out_columns == p.columns;
  }

  /// The region's places [first, first + count), all images in a row.
  void run_block(const KernelRun& run, const Planes& planes, const Region& region, int64_t first,
                 int64_t count) const {
    const int64_t inputs = groups_ * group_inputs_, outputs = groups_ * group_outputs_;
    const float* x = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    const float* residual = run.site.has_input(3) ? run.inputs[3].span<float>().data() : nullptr;
    std::array<int64_t, kLargestBlock> places;
    for (int64_t r = 0; r < count; ++r) {
      const int64_t row = (first + r) / region.width, column = (first + r) % region.width;
      places[static_cast<size_t>(r)] =
          row * planes.out_columns + (column < region.left ? column : column - region.left + region.skip_to);
    }
    const bool pointwise = is_pointwise(planes);
    const int64_t taps = region.joined ? planes.y.kernel : planes.taps();
    const int64_t depth = group_inputs_ * planes.taps() / taps;
    std::array<const float*, kPointers> pointers;
    for (int64_t g = 0; g < groups_; ++g) {
      const PackedPanels& panels = panels_[static_cast<size_t>(g)];
      const int64_t at = g * group_outputs_;
      const TileOutput out{y + at,  outputs,       panels.bias(),  residual ? residual + at : nullptr,
                           outputs, epilogue_.low, epilogue_.high, places.data()};
      const float* group = x + g * group_inputs_;
      if (pointwise) {
        loops_.dense(group + first * inputs, inputs, count, group_inputs_, panels.panels(), group_outputs_,
                     out);
        continue;
      }
      point_at_taps(planes, group, inputs, std::span(places).first(static_cast<size_t>(count)), region.joined,
                    pointers.data());
      loops_.indirect(pointers.data(), taps, count, depth, panels.panels(), group_outputs_, out);
    }
    if (epilogue_.has_map) apply_map(y, std::span(places).first(static_cast<size_t>(count)), outputs);
  }

  /// Over runs of neighbouring places.
  void apply_map(float* y, std::span<const int64_t> places, int64_t outputs) const {
    for (size_t begin = 0; begin < places.size();) {
      size_t end = begin + 1;
      while (end < places.size() && places[end] == places[end - 1] + 1) ++end;
      epilogue_.apply(activations_, y + places[begin] * outputs, static_cast<int64_t>(end - begin) * outputs);
      begin = end;
    }
  }

  /// pointers[t * count + r]: the channels under tap t of place r, or zeros. Joined, t counts rows of the
  /// window.
  void point_at_taps(const Planes& p, const float* x, int64_t channels, std::span<const int64_t> places,
                     bool joined, const float** pointers) const {
    const int64_t count = static_cast<int64_t>(places.size()), across = joined ? 1 : p.x.kernel;
    for (int64_t r = 0; r < count; ++r) {
      const int64_t place = places[static_cast<size_t>(r)];
      const int64_t column = place % p.out_columns, row = place / p.out_columns % p.out_rows,
                    image = place / p.out_columns / p.out_rows;
      const float* plane = x + image * p.rows * p.columns * channels;
      const float** to = pointers + r;
      for (int64_t ky = 0; ky < p.y.kernel; ++ky) {
        const int64_t iy = row * p.y.stride - p.y.pad_begin + ky * p.y.dilation;
        const bool inside = iy >= 0 && iy < p.rows;
        for (int64_t kx = 0; kx < across; ++kx, to += count) {
          const int64_t ix = column * p.x.stride - p.x.pad_begin + kx * p.x.dilation;
          *to =
              inside && ix >= 0 && ix < p.columns ? plane + (iy * p.columns + ix) * channels : zeros_.data();
        }
      }
    }
  }

  const FloatTileLoops& loops_;
  const ActivationLoops& activations_;
  Window window_;
  Epilogue epilogue_;
  int64_t groups_, group_inputs_, group_outputs_, block_;
  std::vector<PackedPanels> panels_;
  std::vector<float> zeros_;
};

template <const FloatTileLoops& kLoops, const ActivationLoops& kActivations>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<FloatConv>(site, kLoops, kActivations);
}

}  // namespace

#define HALFTONE_CONV_FLOAT(isa)        \
  extern const Kernel conv_float_##isa{ \
      "conv_float_" #isa, "Conv", Isa::isa, supports, prepare<float_tile_##isa, activation_##isa>, true};

#if defined(__x86_64__)
HALFTONE_CONV_FLOAT(avx512vnni)
HALFTONE_CONV_FLOAT(avx2)
#elif defined(__aarch64__)
HALFTONE_CONV_FLOAT(neon)
#endif

}  // namespace halftone::cpu
