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
    zeros_.resize(static_cast<size_t>(group_inputs_));
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
    const int64_t blocks = ceil_div(planes.out_places(), block_);
    run.threads.parallel_for(blocks, ceil_div(work_grain(work), block_), [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block)
        run_block(run, planes, block * block_, std::min(block_, planes.out_places() - block * block_));
    });
  }

 private:
  /// Places [first, first + count) of the output, all images in a row.
  void run_block(const KernelRun& run, const Planes& planes, int64_t first, int64_t count) const {
    const int64_t inputs = groups_ * group_inputs_, outputs = groups_ * group_outputs_;
    const float* x = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data() + first * outputs;
    const float* residual =
        run.site.has_input(3) ? run.inputs[3].span<float>().data() + first * outputs : nullptr;
    const bool pointwise = planes.taps() == 1 && planes.y.stride == 1 && planes.x.stride == 1 &&
                           planes.out_rows == planes.rows && planes.out_columns == planes.columns;
    std::array<const float*, kPointers> pointers;
    for (int64_t g = 0; g < groups_; ++g) {
      const PackedPanels& panels = panels_[static_cast<size_t>(g)];
      const int64_t at = g * group_outputs_;
      const TileOutput out{y + at,  outputs,       panels.bias(), residual ? residual + at : nullptr,
                           outputs, epilogue_.low, epilogue_.high};
      const float* group = x + g * group_inputs_;
      if (pointwise) {
        loops_.dense(group + first * inputs, inputs, count, group_inputs_, panels.panels(), group_outputs_,
                     out);
        continue;
      }
      point_at_taps(planes, group, inputs, first, count, pointers.data());
      loops_.indirect(pointers.data(), planes.taps(), count, group_inputs_, panels.panels(), group_outputs_,
                      out);
    }
    epilogue_.apply(activations_, y, count * outputs);
  }

  /// pointers[t * count + r]: the channels under tap t of place first + r, or zeros.
  void point_at_taps(const Planes& p, const float* x, int64_t channels, int64_t first, int64_t count,
                     const float** pointers) const {
    int64_t column = first % p.out_columns, row = first / p.out_columns % p.out_rows,
            image = first / p.out_columns / p.out_rows;
    for (int64_t r = 0; r < count; ++r) {
      const float* plane = x + image * p.rows * p.columns * channels;
      const float** to = pointers + r;
      for (int64_t ky = 0; ky < p.y.kernel; ++ky) {
        const int64_t iy = row * p.y.stride - p.y.pad_begin + ky * p.y.dilation;
        const bool inside = iy >= 0 && iy < p.rows;
        for (int64_t kx = 0; kx < p.x.kernel; ++kx, to += count) {
          const int64_t ix = column * p.x.stride - p.x.pad_begin + kx * p.x.dilation;
          *to =
              inside && ix >= 0 && ix < p.columns ? plane + (iy * p.columns + ix) * channels : zeros_.data();
        }
      }
      if (++column < p.out_columns) continue;
      column = 0;
      if (++row < p.out_rows) continue;
      row = 0;
      ++image;
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
