#include <algorithm>
#include <cstring>

#include "backend/cpu/float_site.h"
#include "backend/cpu/resize/resize_site.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (Refusal refusal = channels_last_refusal(site); !refusal.empty()) return refusal;
  return places_refusal(site);
}

/// Each place is a weighted sum of a few places of the input, which are rows of channels.
class ResizeKernel : public PreparedKernel {
 public:
  explicit ResizeKernel(const OpSite& site) : missing_(site.attributes->get_float("extrapolation_value", 0)) {
    const Shape& x = site.input_shape(0);
    if (x[2] >= 0 && x[3] >= 0 && resize_axes(site)) taps_ = taps_of(site);
  }

  bool spaces_rows() const override { return true; }
  void run(const KernelRun& run) const override {
    const Shape& from = run.inputs[0].tensor.shape;
    const Shape& to = run.outputs[0].shape;
    if (to.elements() == 0) return;
    const std::optional<Axes> fresh = taps_ ? std::nullopt : std::optional(taps_of(run.site));
    const Axes& taps = taps_ ? *taps_ : *fresh;
    const std::vector<Taps>&rows = taps.first, &columns = taps.second;
    const int64_t channels = to[1], step = run.step_of(channels);
    const float* x = run.inputs[0].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    run.threads.parallel_for(to[0] * to[2], row_grain(to[3] * channels), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const float* image = x + row / to[2] * from[2] * from[3] * channels;
        const auto& vertical = rows[static_cast<size_t>(row % to[2])];
        for (int64_t column = 0; column < to[3]; ++column)
          fill(image, from[3], channels, vertical, columns[static_cast<size_t>(column)],
               y + (row * to[3] + column) * step);
      }
    });
  }

 private:
  using Taps = std::vector<ResizeTap>;
  using Axes = std::pair<std::vector<Taps>, std::vector<Taps>>;  ///< of the rows, of the columns

  static Axes taps_of(const OpSite& site) {
    const std::vector<ResizeAxis> axes = *resize_axes(site);
    return {resize_taps(site, axes[2]), resize_taps(site, axes[3])};
  }

  void fill(const float* image, int64_t columns, int64_t channels, const Taps& vertical,
            const Taps& horizontal, float* to) const {
    if (vertical.empty() || horizontal.empty()) {
      std::fill_n(to, channels, missing_);
      return;
    }
    bool first = true;
    for (const ResizeTap& v : vertical)
      for (const ResizeTap& h : horizontal) {
        const float* from = image + (v.from * columns + h.from) * channels;
        const float weight = static_cast<float>(v.weight * h.weight);
        if (first)
          for (int64_t c = 0; c < channels; ++c) to[c] = weight * from[c];
        else
          for (int64_t c = 0; c < channels; ++c) to[c] += weight * from[c];
        first = false;
      }
  }

  std::optional<Axes> taps_;  ///< where sizes were known ahead
  float missing_;
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<ResizeKernel>(site);
}

}  // namespace

extern const Kernel resize_channels_last{
    "resize_channels_last", "Resize", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
