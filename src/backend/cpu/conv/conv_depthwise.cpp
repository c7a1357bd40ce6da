#include <algorithm>

#include "backend/cpu/conv/conv_site.h"
#include "backend/cpu/packed_memory.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "base/checked.h"

namespace halftone::cpu {
namespace {

/// Taps of a window that are worth a copy of what they read, and the copy's bytes: about so many.
constexpr int64_t kCopiedTaps = 36, kCopyBytes = int64_t{224} << 10;

Refusal supports(const OpSite& site) {
  if (Refusal refusal = float_conv_refusal(site, Storage::Order::channels_last); !refusal.empty())
    return refusal;
  const ConvExtent extent = conv_extent(site);
  if (extent.group_inputs != 1 || extent.group_outputs != 1)
    return fmt::format("{} groups of {} channels", extent.groups, extent.group_inputs);
  return {};
}

/// Each channel has a window of its own.
class DepthwiseConv : public PreparedKernel {
 public:
  DepthwiseConv(const OpSite& site, const WindowLoops& loops, const ActivationLoops& activations, int threads)
      : loops_(loops),
        activations_(activations),
        window_(conv_extent(site).window),
        epilogue_(make_epilogue(fused_activation(site))),
        threads_(threads),
        slice_(2 * loops.width) {
    const ConvWeights weights(site);
    channels_ = weights.outputs();
    step_ = round_up(channels_, loops.width);
    bias_offset_ = step_ * weights.taps();
    const size_t bytes = static_cast<size_t>(bias_offset_ + step_) * sizeof(float);
    memory_ = PackedMemory(bytes, [&](std::byte* memory) {
      float* to = reinterpret_cast<float*>(memory);
      for (int64_t t = 0; t < weights.taps(); ++t)
        for (int64_t c = 0; c < step_; ++c) *to++ = c < channels_ ? weights.weight(c, 0, t) : 0.0f;
      for (int64_t c = 0; c < step_; ++c) *to++ = c < channels_ ? weights.bias(c) : 0.0f;
    });
  }

  bool keeps(size_t i) const override { return i == 1 || i == 2; }
  bool spaces_rows() const override { return true; }
  size_t packed_bytes() const override { return memory_.size(); }

  size_t workspace_bytes(const OpSite& site) const override {
    const Planes planes = make_planes(window_, site.input_shape(0), site.outputs[0].shape);
    if (!copies(site, planes)) return 0;
    return static_cast<size_t>(threads_ * copy_rows(planes, band_rows(planes)) * copy_line(planes)) *
           sizeof(float);
  }

  void run(const KernelRun& run) const override {
    const Planes planes = make_planes(window_, run.inputs[0].tensor.shape, run.outputs[0].shape);
    if (copies(run.site, planes)) return run_slices(run, planes);
    const float* x = run.inputs[0].span<float>().data();
    const float* residual = run.site.has_input(3) ? run.inputs[3].span<float>().data() : nullptr;
    float* y = run.outputs[0].span<float>().data();
    const float* packed = reinterpret_cast<const float*>(memory_.data());
    const int64_t row_floats = planes.out_columns * channels_, step = run.step_of(channels_);
    run.threads.parallel_for(
        planes.batch * planes.out_rows, work_grain(row_floats * planes.taps() * 4),
        [&](int64_t begin, int64_t end) {
          const SubnormalsAsZero mode;
          for (int64_t row = begin; row < end; ++row)
            loops_.depthwise(
                window_row(planes, x, y, channels_, step, row),
                {packed, packed + bias_offset_, step_, residual ? residual + row * row_floats : nullptr,
                 epilogue_.low, epilogue_.high, epilogue_.is_hard_swish()});
          if (!epilogue_.goes_on()) return;
          if (step == channels_)
            return epilogue_.apply(activations_, y + begin * row_floats, (end - begin) * row_floats);
          for (int64_t place = begin * planes.out_columns; place < end * planes.out_columns; ++place)
            epilogue_.apply(activations_, y + place * step, channels_);
        });
  }

 private:
  /// Large windows work on slices of a few channels, copied with zeros around: what they read again and again
  /// then lies side by side, not a row of all channels apart.
  bool copies(const OpSite& site, const Planes& p) const {
    return p.taps() >= kCopiedTaps && channels_ >= slice_ && !site.has_input(3) && p.out_places() > 0;
  }
  int64_t copy_line(const Planes& p) const {
    return ((p.out_columns - 1) * p.x.stride + p.x.span()) * slice_;
  }
  static int64_t copy_rows(const Planes& p, int64_t rows) { return (rows - 1) * p.y.stride + p.y.span(); }
  /// Output rows that are worked on at a time: no more than a thread's share, so that it reads what it wrote.
  int64_t band_rows(const Planes& p) const {
    const int64_t fit = kCopyBytes / (copy_line(p) * int64_t{sizeof(float)});
    const int64_t most = ceil_div(p.out_rows, threads_);
    return std::clamp((fit - p.y.span()) / p.y.stride + 1, std::min<int64_t>(4, most), most);
  }

  void run_slices(const KernelRun& run, const Planes& p) const {
    const int64_t band = band_rows(p), bands = ceil_div(p.out_rows, band);
    const int64_t slices = ceil_div(channels_, slice_), pieces = p.batch * bands * slices;
    const int64_t workers = std::min<int64_t>({threads_, run.threads.size(), pieces});
    run.threads.parallel_for(workers, 1, [&](int64_t first, int64_t last) {
      const SubnormalsAsZero mode;
      for (int64_t worker = first; worker < last; ++worker) {
        float* copy =
            reinterpret_cast<float*>(run.workspace.data()) + worker * copy_rows(p, band) * copy_line(p);
        for (int64_t i = pieces * worker / workers; i < pieces * (worker + 1) / workers; ++i) {
          const int64_t begin = i / slices % bands * band;
          run_slice(run, p, i / slices / bands, begin, std::min(band, p.out_rows - begin),
                    i % slices * slice_, copy);
        }
      }
    });
  }

  /// Output rows [begin, begin + rows) of one picture, channels from c on.
  void run_slice(const KernelRun& run, const Planes& p, int64_t image, int64_t begin, int64_t rows, int64_t c,
                 float* copy) const {
    const int64_t channels = std::min(slice_, channels_ - c), line = copy_line(p) / slice_ * channels;
    const int64_t in_rows = copy_rows(p, rows), top = begin * p.y.stride - p.y.pad_begin;
    const float* x = run.inputs[0].span<float>().data() + image * p.rows * p.columns * channels_ + c;
    for (int64_t row = 0; row < in_rows; ++row)
      copy_row(p, top + row >= 0 && top + row < p.rows ? x + (top + row) * p.columns * channels_ : nullptr,
               channels, copy + row * line, line);
    const float* packed = reinterpret_cast<const float*>(memory_.data());
    const int64_t step = run.step_of(channels_);
    float* y = run.outputs[0].span<float>().data() + (image * p.out_rows + begin) * p.out_columns * step + c;
    for (int64_t row = 0; row < rows; ++row, y += p.out_columns * step) {
      loops_.depthwise({copy, in_rows, line / channels, channels, p.y.kernel, p.x.kernel, p.y.dilation,
                        p.x.dilation, p.x.stride, row * p.y.stride, 0, y, p.out_columns, step},
                       {packed + c, packed + bias_offset_ + c, step_, nullptr, epilogue_.low, epilogue_.high,
                        epilogue_.is_hard_swish()});
      if (!epilogue_.goes_on()) continue;
      for (int64_t column = 0; column < p.out_columns; ++column)
        epilogue_.apply(activations_, y + column * step, channels);
    }
  }

  /// `channels` channels of a row of places, from null where that lies outside the picture.
  void copy_row(const Planes& p, const float* from, int64_t channels, float* to, int64_t line) const {
    const int64_t columns = line / channels, left = std::min(p.x.pad_begin, columns);
    const int64_t inside = from ? std::clamp(p.columns, int64_t{0}, columns - left) : 0;
    std::fill_n(to, left * channels, 0.0f);
    to += left * channels;
    if (channels == slice_)
      loops_.gather_rows(from, channels_, inside, to);
    else
      for (int64_t i = 0; i < inside; ++i) std::copy_n(from + i * channels_, channels, to + i * channels);
    std::fill_n(to + inside * channels, (columns - left - inside) * channels, 0.0f);
  }

  const WindowLoops& loops_;
  const ActivationLoops& activations_;
  Window window_;
  Epilogue epilogue_;
  int64_t threads_, slice_;  ///< slice_: channels that are copied together
  int64_t channels_, step_, bias_offset_;
  PackedMemory memory_;
};

template <const WindowLoops& kLoops, const ActivationLoops& kActivations>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<DepthwiseConv>(site, kLoops, kActivations, threads.size());
}

}  // namespace

#define HALFTONE_CONV_DEPTHWISE(isa)        \
  extern const Kernel conv_depthwise_##isa{ \
      "conv_depthwise_" #isa, "Conv", Isa::isa, supports, prepare<window_##isa, activation_##isa>, true};

#if defined(__x86_64__)
HALFTONE_CONV_DEPTHWISE(avx512vnni)
HALFTONE_CONV_DEPTHWISE(avx2)
#elif defined(__aarch64__)
HALFTONE_CONV_DEPTHWISE(neon)
#endif

}  // namespace halftone::cpu
