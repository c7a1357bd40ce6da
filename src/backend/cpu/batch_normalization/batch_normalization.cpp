#include <cmath>

#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

/// A BatchNormalization that no convolution took in: y = (x - mean) factor + shift of each channel.
class BatchNormalization : public PreparedKernel {
 public:
  explicit BatchNormalization(const OpSite& site)
      : last_(site.storage_of_output(0).order == Storage::Order::channels_last),
        epsilon_(site.attributes->get_float("epsilon", 1e-5f)) {}

  size_t workspace_bytes(const OpSite& site) const override {
    return static_cast<size_t>(site.input_shape(0)[1]) * sizeof(float);
  }

  void run(const KernelRun& run) const override {
    const Shape& shape = run.outputs[0].shape;
    if (shape.elements() == 0) return;
    const int64_t channels = shape[1], places = shape.elements() / (shape[0] * channels);
    const float* x = run.inputs[0].span<float>().data();
    const float* shift = run.inputs[2].span<float>().data();
    const float* mean = run.inputs[3].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    auto* factor = reinterpret_cast<float*>(run.workspace.data());
    for (int64_t c = 0; c < channels; ++c) {
      const auto at = static_cast<size_t>(c);
      const double variance = run.inputs[4].span<float>()[at];
      factor[c] = static_cast<float>(run.inputs[1].span<float>()[at] /
                                     std::sqrt(variance + static_cast<double>(epsilon_)));
    }
    const int64_t width = last_ ? channels : places;
    run.threads.parallel_for(shape.elements() / width, row_grain(width), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const float* from = x + row * width;
        float* to = y + row * width;
        const int64_t c = row % channels;
        if (last_)
          for (int64_t i = 0; i < width; ++i) to[i] = (from[i] - mean[i]) * factor[i] + shift[i];
        else
          for (int64_t i = 0; i < width; ++i) to[i] = (from[i] - mean[c]) * factor[c] + shift[c];
      }
    });
  }

 private:
  bool last_;
  float epsilon_;
};

Refusal supports(const OpSite& site) {
  if (site.attributes->get_int("training_mode", 0) != 0) return "it measures its own statistics";
  if (Refusal refusal = mixed_order_refusal(site); !refusal.empty()) return refusal;
  return not_all_f32(site, 5);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<BatchNormalization>(site);
}

}  // namespace

extern const Kernel batch_normalization{
    "batch_normalization", "BatchNormalization", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
