#include "ops/conv_transpose/conv_transpose.h"

#include <algorithm>
#include <array>
#include <limits>

#include "backend/constant_floats.h"
#include "backend/cpu/float_site.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "backend/cpu/tile/packed_panels.h"
#include "backend/cpu/window/planes.h"

// Output o of an axis sees the taps t for which o + pad - t dilation is a multiple of the stride, which is a
// matter of (o + pad) mod stride alone: outputs of one such phase are an indirect product (conv_float.cpp) of
// those taps, whose inputs move by one from an output to the next. Where windows lie side by side, without
// padding, an output row is a product of an input row: its columns' phases are outputs one behind the other.

namespace halftone::cpu {
namespace {

/// Pointers of a block of outputs, on the stack.
constexpr int64_t kPointers = 4096;
constexpr int64_t kMostPhases = 32;  ///< of an axis
constexpr int64_t kBlockRows = 96;   ///< input places that are multiplied by all weights at a time

/// One tap of a phase.
struct Tap {
  int64_t y, x;  ///< its distance from the window's begin
};

/// Of phase (y, x): what its outputs are products of, group by group.
struct Phase {
  std::vector<Tap> taps;
  std::vector<PackedPanels> groups;
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = channels_last_refusal(site); !refusal.empty()) return refusal;
  if (Refusal refusal = not_all_f32(site, 1); !refusal.empty()) return refusal;
  for (size_t i : {size_t{1}, size_t{2}})
    if (site.has_input(i) && !site.inputs[i].constant)
      return fmt::format("{} is computed", site.schema->inputs[i].name);
  const int rank = site.input_shape(0).rank();
  if (rank > 4) return fmt::format("{} spatial axes", rank - 2);
  const Window window = conv_transpose_extent(site).window;
  if (window.taps() > kPointers / 12) return fmt::format("{} taps", window.taps());
  for (int a = 0; a < window.rank; ++a)
    if (window[a].stride > kMostPhases) return fmt::format("a stride of {}", window[a].stride);
  return {};
}

class ConvTranspose : public PreparedKernel {
 public:
  ConvTranspose(const OpSite& site, const FloatTileLoops& loops) : loops_(loops) {
    const ConvTransposeExtent extent = conv_transpose_extent(site);
    group_inputs_ = extent.group_inputs;
    zeros_.resize(static_cast<size_t>(group_inputs_));
    const Planes planes = planes_of(extent, site.input_shape(0), extent.output);
    const Tensor weights = constant_floats(site, 1),
                 biases = site.has_input(2) ? constant_floats(site, 2) : Tensor();
    if (lie_side_by_side(site, extent)) {
      for (int64_t y = 0; y < planes.y.stride; ++y)
        rows_.push_back(make_row(planes, extent, weights, biases, y));
      return;
    }
    for (int64_t y = 0; y < planes.y.stride; ++y)
      for (int64_t x = 0; x < planes.x.stride; ++x)
        phases_.push_back(make_phase(planes, extent, weights, biases, y, x));
  }

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  size_t packed_bytes() const override {
    size_t bytes = 0;
    for (const Phase& phase : phases_)
      for (const PackedPanels& panels : phase.groups) bytes += panels.bytes();
    for (const PackedPanels& panels : rows_) bytes += panels.bytes();
    return bytes;
  }

  void run(const KernelRun& run) const override {
    const Shape &from = run.inputs[0].tensor.shape, &to = run.outputs[0].shape;
    if (to.elements() == 0) return;
    const ConvTransposeExtent extent = conv_transpose_extent(run.site);
    const Planes planes = planes_of(extent, from, to);
    const int64_t work = planes.out_columns * from[1] * extent.group_outputs * planes.taps() /
                         (planes.y.stride * planes.x.stride);
    run.threads.parallel_for(planes.batch * planes.out_rows, work_grain(work),
                             [&](int64_t begin, int64_t end) {
                               const SubnormalsAsZero mode;
                               for (int64_t row = begin; row < end; ++row) {
                                 if (!rows_.empty()) {
                                   multiply_row(run, planes, row);
                                   continue;
                                 }
                                 for (int64_t x = 0; x < planes.x.stride; ++x)
                                   run_row(run, extent, planes, row, x);
                               }
                             });
  }

 private:
  static Planes planes_of(const ConvTransposeExtent& extent, const Shape& x, const Shape& y) {
    const Window& window = extent.window;
    const bool line = window.rank == 1;
    return {x[0],
            line ? 1 : x[2],
            x.back(),
            line ? 1 : y[2],
            y.back(),
            line ? WindowAxis{} : window[0],
            window[line ? 0 : 1]};
  }

  /// Whether every output sees one tap, and the outputs of an input place are those of no other.
  static bool lie_side_by_side(const OpSite& site, const ConvTransposeExtent& extent) {
    const Window& window = extent.window;
    for (int a = 0; a < window.rank; ++a)
      if (window[a].kernel != window[a].stride || window[a].dilation != 1 || window[a].pad_begin != 0 ||
          window[a].pad_end != 0)
        return false;
    const std::vector<int64_t> padding = site.attributes->get_ints("output_padding", {});
    return extent.groups == 1 && window.auto_pad == Window::AutoPad::none &&
           std::ranges::all_of(padding, [](int64_t more) { return more == 0; }) &&
           !site.attributes->has("output_shape");
  }

  /// Of output rows of phase y: outputs [column of the window, m].
  PackedPanels make_row(const Planes& planes, const ConvTransposeExtent& extent, const Tensor& weights,
                        const Tensor& biases, int64_t y) const {
    const int64_t outputs = extent.group_outputs;
    return PackedPanels(
        loops_, planes.x.kernel * outputs, group_inputs_,
        [&](int64_t n, int64_t c) {
          const int64_t tap = y * planes.x.kernel + n / outputs;
          return weights
              .span<float>()[static_cast<size_t>((c * outputs + n % outputs) * planes.taps() + tap)];
        },
        [&](int64_t n) {
          return biases.empty() ? 0.0f : biases.span<float>()[static_cast<size_t>(n % outputs)];
        });
  }

  /// Row `row` (of all pictures) where windows lie side by side.
  void multiply_row(const KernelRun& run, const Planes& p, int64_t row) const {
    constexpr float kAny = std::numeric_limits<float>::infinity();
    const int64_t at = row % p.out_rows, image = row / p.out_rows;
    const float* from =
        run.inputs[0].span<float>().data() + (image * p.rows + at / p.y.stride) * p.columns * group_inputs_;
    const int64_t outputs = run.outputs[0].shape[1] * p.x.stride;
    float* to = run.outputs[0].span<float>().data() + row * p.columns * outputs;
    const PackedPanels& panels = rows_[static_cast<size_t>(at % p.y.stride)];
    for (int64_t first = 0; first < p.columns; first += kBlockRows)
      loops_.dense(from + first * group_inputs_, group_inputs_, std::min(kBlockRows, p.columns - first),
                   group_inputs_, panels.panels(), outputs,
                   {to + first * outputs, outputs, panels.bias(), nullptr, 0, -kAny, kAny});
  }

  Phase make_phase(const Planes& planes, const ConvTransposeExtent& extent, const Tensor& weights,
                   const Tensor& biases, int64_t y, int64_t x) const {
    Phase phase;
    std::vector<int64_t> of_kernel;
    for (int64_t ty = 0; ty < planes.y.kernel; ++ty)
      for (int64_t tx = 0; tx < planes.x.kernel; ++tx) {
        const Tap tap{ty * planes.y.dilation, tx * planes.x.dilation};
        if (tap.y % planes.y.stride != y || tap.x % planes.x.stride != x) continue;
        phase.taps.push_back(tap);
        of_kernel.push_back(ty * planes.x.kernel + tx);
      }
    const auto weight = [&](int64_t c, int64_t m, int64_t tap) {
      return weights.span<float>()[static_cast<size_t>((c * extent.group_outputs + m) * planes.taps() + tap)];
    };
    for (int64_t g = 0; g < extent.groups; ++g)
      phase.groups.emplace_back(
          loops_, extent.group_outputs, group_inputs_ * static_cast<int64_t>(of_kernel.size()),
          [&](int64_t m, int64_t k) {
            return weight(g * group_inputs_ + k % group_inputs_, m,
                          of_kernel[static_cast<size_t>(k / group_inputs_)]);
          },
          [&](int64_t m) {
            return biases.empty() ? 0.0f
                                  : biases.span<float>()[static_cast<size_t>(g * extent.group_outputs + m)];
          });
    return phase;
  }

  /// The outputs of row `row` (of all pictures) whose column is of phase `phase_x`.
  void run_row(const KernelRun& run, const ConvTransposeExtent& extent, const Planes& p, int64_t row,
               int64_t phase_x) const {
    const int64_t from_y = row % p.out_rows + p.y.pad_begin;
    const Phase& phase = phases_[static_cast<size_t>(from_y % p.y.stride * p.x.stride + phase_x)];
    const auto taps = static_cast<int64_t>(phase.taps.size());
    const int64_t most = kPointers / std::max<int64_t>(1, taps);
    const int64_t channels = extent.groups * group_inputs_, outputs = extent.groups * extent.group_outputs;
    const float* image =
        run.inputs[0].span<float>().data() + row / p.out_rows * p.rows * p.columns * channels;
    float* y = run.outputs[0].span<float>().data();
    // The first column of the phase; non-negative remainders.
    const int64_t first = ((phase_x - p.x.pad_begin) % p.x.stride + p.x.stride) % p.x.stride;
    std::array<const float*, kPointers> pointers;
    std::array<int64_t, kPointers> places;
    for (int64_t column = first; column < p.out_columns;) {
      const int64_t count = std::min(most, (p.out_columns - column + p.x.stride - 1) / p.x.stride);
      for (int64_t i = 0; i < count; ++i)
        places[static_cast<size_t>(i)] = row * p.out_columns + column + i * p.x.stride;
      for (int64_t g = 0; g < extent.groups; ++g) {
        for (int64_t t = 0; t < taps; ++t) {
          const Tap& tap = phase.taps[static_cast<size_t>(t)];
          const int64_t at_y = from_y - tap.y, at_x = column + p.x.pad_begin - tap.x;
          const bool inside = at_y >= 0 && at_y / p.y.stride < p.rows;
          const float* line = inside ? image + at_y / p.y.stride * p.columns * channels : nullptr;
          for (int64_t i = 0; i < count; ++i) {
            // A multiple of the stride, so exact when negative too.
            const int64_t x = at_x / p.x.stride + i;
            pointers[static_cast<size_t>(t * count + i)] =
                inside && x >= 0 && x < p.columns ? line + x * channels + g * group_inputs_ : zeros_.data();
          }
        }
        const PackedPanels& panels = phase.groups[static_cast<size_t>(g)];
        constexpr float kAny = std::numeric_limits<float>::infinity();
        loops_.indirect(
            pointers.data(), taps, count, group_inputs_, panels.panels(), extent.group_outputs,
            {y + g * extent.group_outputs, outputs, panels.bias(), nullptr, 0, -kAny, kAny, places.data()});
      }
      column += count * p.x.stride;
    }
  }

  const FloatTileLoops& loops_;
  int64_t group_inputs_;
  std::vector<Phase> phases_;       ///< [stride y, stride x]
  std::vector<PackedPanels> rows_;  ///< [stride y] where windows lie side by side, and no phases then
  std::vector<float> zeros_;
};

template <const FloatTileLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<ConvTranspose>(site, kLoops);
}

}  // namespace

#if defined(__x86_64__)
extern const Kernel conv_transpose_avx512vnni{"conv_transpose_avx512vnni",
                                              "ConvTranspose",
                                              Isa::avx512vnni,
                                              supports,
                                              prepare<float_tile_avx512vnni>,
                                              true};
extern const Kernel conv_transpose_avx2{
    "conv_transpose_avx2", "ConvTranspose", Isa::avx2, supports, prepare<float_tile_avx2>, true};
#elif defined(__aarch64__)
extern const Kernel conv_transpose_neon{
    "conv_transpose_neon", "ConvTranspose", Isa::neon, supports, prepare<float_tile_neon>, true};
#endif

}  // namespace halftone::cpu
