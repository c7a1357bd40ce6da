#include <array>

#include "backend/cpu/int8/code_elements.h"
#include "backend/kernel.h"
#include "ops/resize/resize_integer.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (Refusal refusal = resize_on_codes.refusal(site); !refusal.empty()) return refusal;
  if (site.inputs[0].storage.order != Storage::Order::channels_last ||
      site.storage_of_output(0).order != Storage::Order::channels_last)
    return "the values are not stored channels-last";
  const std::vector<ResizeAxis> axes = *resize_axes(site);
  for (int axis : {2, 3})
    for (const auto& taps : code_taps(site, axes[static_cast<size_t>(axis)]))
      if (taps.size() > 4) return fmt::format("{} inputs of an output along one axis", taps.size());
  return {};
}

/// Interpolating Resize on codes (ops/resize/resize_integer.h): each place blends a few places of the input,
/// which are rows of channels.
class ResizeCodes final : public PreparedKernel {
 public:
  ResizeCodes(const OpSite& site, const CodeElementLoops& loops) : loops_(loops) {
    const std::vector<ResizeAxis> axes = *resize_axes(site);
    rows_ = code_taps(site, axes[2]);
    columns_ = code_taps(site, axes[3]);
  }

  void run(const KernelRun& run) const override {
    const Shape& from = run.inputs[0].tensor.shape;
    const Shape& to = run.outputs[0].shape;
    const int64_t channels = to[1];
    const uint8_t* x = run.inputs[0].span<uint8_t>().data();
    uint8_t* y = run.outputs[0].span<uint8_t>().data();
    const int64_t grain = 1 + (1 << 14) / (to[3] * channels + 1);
    run.threads.parallel_for(to[0] * to[2], grain, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const uint8_t* picture = x + row / to[2] * from[2] * from[3] * channels;
        const Taps& vertical = rows_[static_cast<size_t>(row % to[2])];
        for (int64_t column = 0; column < to[3]; ++column)
          blend(picture, from[3], channels, vertical, columns_[static_cast<size_t>(column)],
                y + (row * to[3] + column) * channels);
      }
    });
  }

 private:
  using Taps = std::vector<CodeTap>;

  void blend(const uint8_t* picture, int64_t columns, int64_t channels, const Taps& vertical,
             const Taps& horizontal, uint8_t* to) const {
    std::array<const uint8_t*, 16> places;
    std::array<int32_t, 16> weights;
    size_t count = 0;
    for (const CodeTap& v : vertical)
      for (const CodeTap& h : horizontal) {
        places[count] = picture + (v.from * columns + h.from) * channels;
        weights[count++] = v.weight * h.weight;
      }
    loops_.blend(places.data(), weights.data(), static_cast<int64_t>(count), 2 * kResizeWeightBits, to,
                 channels);
  }

  const CodeElementLoops& loops_;
  std::vector<Taps> rows_, columns_;
};

template <const CodeElementLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<ResizeCodes>(site, kLoops);
}

}  // namespace

#define HALFTONE_RESIZE_CODES(isa)                                                                   \
  extern const Kernel resize_codes_##isa{"resize_codes_" #isa,         "Resize", Isa::isa, supports, \
                                         prepare<code_elements_##isa>, true};
#if defined(__x86_64__)
HALFTONE_RESIZE_CODES(avx512vnni)
HALFTONE_RESIZE_CODES(avx2)
#elif defined(__aarch64__)
HALFTONE_RESIZE_CODES(neondot)
#endif

}  // namespace halftone::cpu
