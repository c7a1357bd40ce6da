#include "ops/resize/resize.h"

#include <type_traits>

#include "backend/cuda/codes/upload.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/resize/resize_kernels.h"
#include "backend/cuda/stored_shape.h"
#include "ops/resize/resize_integer.h"

namespace halftone::cuda {
namespace {

Refusal supports(const OpSite& site) {
  if (Refusal refusal = not_one_float(site, 1); !refusal.empty()) return refusal;
  if (site.inputs[0].storage.codes || site.storage_of_output(0).codes) return resize_on_codes.refusal(site);
  const Shape& x = site.input_shape(0);
  if (x.rank() != 4) return fmt::format("{} dimensions", x.rank());
  const auto axes = resize_axes(site);
  if (!axes || x[2] < 0 || x[3] < 0) return "sizes are not known ahead";
  for (size_t a : {size_t{0}, size_t{1}})
    if ((*axes)[a].in != (*axes)[a].out) return "channels or the batch are resized";
  return {};
}

/// Any interpolation of pictures; Args is FloatResizeArgs or CodeResizeArgs.
template <class Args>
class ResizeKernel final : public CudaKernel {
  static constexpr bool kCodes = std::is_same_v<Args, CodeResizeArgs>;
  static_assert(kCodeWeightBits == kResizeWeightBits);

 public:
  explicit ResizeKernel(const OpSite& site) : uploads_(device()) {
    const std::vector<ResizeAxis> axes = *resize_axes(site);
    if constexpr (kCodes) {
      place_taps(code_taps(site, axes[2]), args_.rows, args_.row_taps);
      place_taps(code_taps(site, axes[3]), args_.columns, args_.column_taps);
    } else {
      place_taps(resize_taps(site, axes[2]), args_.rows, args_.row_taps);
      place_taps(resize_taps(site, axes[3]), args_.columns, args_.column_taps);
      args_.outside = static_cast<double>(site.attributes->get_float("extrapolation_value", 0));
    }
  }
  size_t packed_bytes() const override { return uploads_.bytes(); }

  void run(const KernelRun& run) const override {
    const Shape &x = run.site.input_shape(0), &y = run.outputs[0].shape;
    Args args = args_;
    args.count = y.elements();
    if (args.count == 0) return;
    const bool y_last = is_channels_last(run.site.storage_of_output(0));
    args.channels_last = is_channels_last(run.site.inputs[0].storage);
    args.channels = static_cast<int32_t>(x[1]);
    args.width = static_cast<int32_t>(x[3]);
    args.out_height = static_cast<int32_t>(y[2]);
    args.out_width = static_cast<int32_t>(y[3]);
    args.x_picture = x[1] * x[2] * x[3];
    args.x_channel = args.channels_last ? 1 : x[2] * x[3];
    args.x_place = args.channels_last ? x[1] : 1;
    args.y_picture = y[1] * y[2] * y[3];
    args.y_channel = y_last ? 1 : y[2] * y[3];
    args.y_place = y_last ? y[1] : 1;
    if constexpr (kCodes) {
      args.x = pointer<uint8_t>(run.inputs[0]);
      args.y = pointer<uint8_t>(run.outputs[0]);
      device().launch(resize_u8, thread_each(args.count), args);
    } else {
      args.x = floats_of(run.inputs[0]);
      args.y = floats_of(run.outputs[0]);
      device().launch(resize_floats, thread_each(args.count), args);
    }
  }

 private:
  template <class Tap, class Weight>
  void place_taps(const std::vector<std::vector<Tap>>& axis, const ResizeSpan*& spans,
                  const DeviceTap<Weight>*& taps) {
    std::vector<ResizeSpan> all_spans;
    std::vector<DeviceTap<Weight>> all_taps;
    for (const std::vector<Tap>& one : axis) {
      const auto begin = static_cast<int32_t>(all_taps.size());
      for (const Tap& tap : one) all_taps.push_back({static_cast<int32_t>(tap.from), tap.weight});
      all_spans.push_back({begin, static_cast<int32_t>(all_taps.size())});
    }
    spans = uploads_.add(all_spans, "a resize's taps");
    taps = uploads_.add(all_taps, "a resize's taps");
  }

  Uploads uploads_;
  Args args_{};
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  if (site.inputs[0].storage.codes) return std::make_unique<ResizeKernel<CodeResizeArgs>>(site);
  return std::make_unique<ResizeKernel<FloatResizeArgs>>(site);
}

}  // namespace

extern const Kernel resize_weighted{"resize_weighted", "Resize", Isa::scalar, supports, prepare, true};
extern const Kernel upsample_weighted{"upsample_weighted", "Upsample", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cuda
