#include "backend/cpu/conv/conv_site.h"
#include "backend/cpu/packed_memory.h"
#include "base/checked.h"

namespace halftone::cpu {
namespace {

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
  DepthwiseConv(const OpSite& site, const WindowLoops& loops, const ActivationLoops& activations)
      : loops_(loops),
        activations_(activations),
        window_(conv_extent(site).window),
        epilogue_(make_epilogue(fused_activation(site))) {
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

  void run(const KernelRun& run) const override {
    const Planes planes = make_planes(window_, run.inputs[0].tensor.shape, run.outputs[0].shape);
    const float* x = run.inputs[0].span<float>().data();
    const float* residual = run.site.has_input(3) ? run.inputs[3].span<float>().data() : nullptr;
    float* y = run.outputs[0].span<float>().data();
    const float* packed = reinterpret_cast<const float*>(memory_.data());
    const int64_t row_floats = planes.out_columns * channels_, step = run.step_of(channels_);
    run.threads.parallel_for(
        planes.batch * planes.out_rows, work_grain(row_floats * planes.taps() * 4),
        [&](int64_t begin, int64_t end) {
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
  const WindowLoops& loops_;
  const ActivationLoops& activations_;
  Window window_;
  Epilogue epilogue_;
  int64_t channels_, step_, bias_offset_;
  PackedMemory memory_;
};

template <const WindowLoops& kLoops, const ActivationLoops& kActivations>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<DepthwiseConv>(site, kLoops, kActivations);
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
