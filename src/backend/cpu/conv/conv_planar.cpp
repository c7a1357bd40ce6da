#include <algorithm>
#include <array>
#include <limits>

#include "backend/cpu/conv/conv_site.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "backend/cpu/tile/packed_panels.h"
#include "base/checked.h"

// The first convolution of a graph: X is planar with few channels, Y channels-last. Places of one output row
// are the rows of A, an equal step apart in each input row, so each column of A is an offset from where they
// start. Where the window reaches over the edge, the input under it is copied first, padded with zeros.

namespace halftone::cpu {
namespace {

/// Floats of the copied input under a block of places, on the stack.
constexpr int64_t kPatchFloats = 16384;
constexpr int64_t kLargestTile = 12;

int64_t patch_columns(const WindowAxis& x, int64_t places) {
  return (places - 1) * x.stride + x.span();
}

Refusal supports(const OpSite& site) {
  if (Refusal refusal = float_conv_refusal(site, Storage::Order::planar); !refusal.empty()) return refusal;
  const ConvExtent extent = conv_extent(site);
  if (extent.groups != 1) return fmt::format("{} groups of planar channels", extent.groups);
  const Window& window = extent.window;
  const int64_t rows = window.rank == 1 ? 1 : window[0].kernel;
  const int64_t floats = extent.group_inputs * rows * patch_columns(window[window.rank - 1], kLargestTile);
  if (floats > kPatchFloats) return fmt::format("{} planar floats under a row of windows", floats);
  return {};
}

class PlanarConv : public PreparedKernel {
 public:
  PlanarConv(const OpSite& site, const FloatTileLoops& loops, const ActivationLoops& activations)
      : PlanarConv(site, ConvWeights(site), loops, activations) {}

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override { return panels_.bytes(); }
  size_t workspace_bytes(const OpSite&) const override { return static_cast<size_t>(2 * depth_) * 4; }

  void run(const KernelRun& run) const override {
    const Planes p = make_planes(window_, run.inputs[0].tensor.shape, run.outputs[0].shape);
    Offsets offsets;
    offsets.block = block_places(p);
    offsets.patch_columns = patch_columns(p.x, offsets.block);
    offsets.in_image = reinterpret_cast<int32_t*>(run.workspace.data());
    offsets.in_patch = offsets.in_image + depth_;
    for (int64_t c = 0, k = 0; c < channels_; ++c)
      for (int64_t ky = 0; ky < p.y.kernel; ++ky)
        for (int64_t kx = 0; kx < p.x.kernel; ++kx, ++k) {
          const int64_t row = c * p.rows + ky * p.y.dilation;
          offsets.in_image[k] = static_cast<int32_t>(row * p.columns + kx * p.x.dilation);
          offsets.in_patch[k] =
              static_cast<int32_t>((c * p.y.kernel + ky) * offsets.patch_columns + kx * p.x.dilation);
        }
    const int64_t grain = ceil_div(work_grain(outputs_ * depth_), std::max<int64_t>(p.out_columns, 1));
    run.threads.parallel_for(p.batch * p.out_rows, grain, [&](int64_t begin, int64_t end) {
      const SubnormalsAsZero mode;
      for (int64_t row = begin; row < end; ++row) run_row(run, p, offsets, row);
    });
  }

 private:
  struct Offsets {
    int64_t block;          ///< places that are copied at a time
    int64_t patch_columns;  ///< of the copy
    int32_t* in_image;
    int32_t* in_patch;
  };

  PlanarConv(const OpSite& site, const ConvWeights& weights, const FloatTileLoops& loops,
             const ActivationLoops& activations)
      : loops_(loops),
        activations_(activations),
        window_(conv_extent(site).window),
        epilogue_(make_epilogue(fused_activation(site))),
        channels_(weights.group_inputs()),
        outputs_(weights.outputs()),
        depth_(weights.group_inputs() * weights.taps()),
        panels_(
            loops, outputs_, depth_,
            [&](int64_t n, int64_t k) { return weights.weight(n, k / weights.taps(), k % weights.taps()); },
            [&](int64_t n) { return weights.bias(n); }) {}

  int64_t block_places(const Planes& p) const {
    int64_t tiles = 4;
    while (tiles > 1 && channels_ * p.y.kernel * patch_columns(p.x, tiles * loops_.rows) > kPatchFloats)
      --tiles;
    return tiles * loops_.rows;
  }

  void run_row(const KernelRun& run, const Planes& p, const Offsets& offsets, int64_t row) const {
    const int64_t top = row % p.out_rows * p.y.stride - p.y.pad_begin;
    const float* image =
        run.inputs[0].span<float>().data() + row / p.out_rows * channels_ * p.rows * p.columns;
    // Columns [begin, end) see only the image.
    int64_t begin = std::min(ceil_div(p.x.pad_begin, p.x.stride), p.out_columns);
    const int64_t room = p.columns + p.x.pad_begin - p.x.span();
    int64_t end = room < 0 ? 0 : std::min(room / p.x.stride + 1, p.out_columns);
    const bool far = channels_ * p.rows * p.columns > std::numeric_limits<int32_t>::max();
    if (far || top < 0 || top + p.y.span() > p.rows) end = 0;
    if (end <= begin) begin = end = p.out_columns;

    const int64_t first = row * p.out_columns;
    run_copied(run, p, offsets, image, top, first, 0, begin);
    if (end > begin)
      loops_.gathered(image + top * p.columns + begin * p.x.stride - p.x.pad_begin, p.x.stride,
                      offsets.in_image, end - begin, depth_, panels_.panels(), outputs_,
                      output(run, first + begin));
    run_copied(run, p, offsets, image, top, first, end, p.out_columns);
    epilogue_.apply(activations_, run.outputs[0].span<float>().data() + first * outputs_,
                    p.out_columns * outputs_);
  }

  /// Columns [begin, end) of the output row that starts at place `first`.
  void run_copied(const KernelRun& run, const Planes& p, const Offsets& offsets, const float* image,
                  int64_t top, int64_t first, int64_t begin, int64_t end) const {
    std::array<float, kPatchFloats> patch;
    for (int64_t at = begin; at < end; at += offsets.block) {
      const int64_t places = std::min(offsets.block, end - at), columns = patch_columns(p.x, places);
      const int64_t left = at * p.x.stride - p.x.pad_begin;
      // Of the columns copied, [first_in, last_in) lie in the image.
      const int64_t first_in = std::clamp(-left, int64_t{0}, columns);
      const int64_t last_in = std::clamp(p.columns - left, first_in, columns);
      float* to = patch.data();
      for (int64_t c = 0; c < channels_; ++c)
        for (int64_t ky = 0; ky < p.y.kernel; ++ky, to += offsets.patch_columns) {
          const int64_t iy = top + ky * p.y.dilation;
          if (iy < 0 || iy >= p.rows) {
            std::fill_n(to, columns, 0.0f);
            continue;
          }
          const float* line = image + (c * p.rows + iy) * p.columns;
          std::fill(to, to + first_in, 0.0f);
          std::copy_n(line + (left + first_in), last_in - first_in, to + first_in);
          std::fill(to + last_in, to + columns, 0.0f);
        }
      loops_.gathered(patch.data(), p.x.stride, offsets.in_patch, places, depth_, panels_.panels(), outputs_,
                      output(run, first + at));
    }
  }

  TileOutput output(const KernelRun& run, int64_t place) const {
    const float* residual =
        run.site.has_input(3) ? run.inputs[3].span<float>().data() + place * outputs_ : nullptr;
    return {run.outputs[0].span<float>().data() + place * outputs_,
            outputs_,
            panels_.bias(),
            residual,
            outputs_,
            epilogue_.low,
            epilogue_.high};
  }

  const FloatTileLoops& loops_;
  const ActivationLoops& activations_;
  Window window_;
  Epilogue epilogue_;
  int64_t channels_, outputs_, depth_;
  PackedPanels panels_;
};

template <const FloatTileLoops& kLoops, const ActivationLoops& kActivations>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<PlanarConv>(site, kLoops, kActivations);
}

}  // namespace

#define HALFTONE_CONV_PLANAR(isa)        \
  extern const Kernel conv_planar_##isa{ \
      "conv_planar_" #isa, "Conv", Isa::isa, supports, prepare<float_tile_##isa, activation_##isa>, true};

#if defined(__x86_64__)
HALFTONE_CONV_PLANAR(avx512vnni)
HALFTONE_CONV_PLANAR(avx2)
#elif defined(__aarch64__)
HALFTONE_CONV_PLANAR(neon)
#endif

}  // namespace halftone::cpu
