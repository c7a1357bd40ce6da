#include <algorithm>
#include <array>

#include "backend/cpu/float_site.h"
#include "core/short_floats.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (site.inputs[0].encoding) return "input is encoded as " + site.inputs[0].encoding->str();
  for (DType dtype : {site.inputs[0].type.dtype, site.outputs[0].dtype})
    if (!is_f32_or_short(dtype)) return fmt::format("elements of {}", dtype_name(dtype));
  return mixed_order_refusal(site);
}

/// Floats as floats of another type, through f32: by way of which each is itself, or rounded once.
class CastKernel : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    const TensorView& x = run.inputs[0].tensor;
    const MutableTensorView& y = run.outputs[0];
    parallel_floats(run.threads, y.shape.elements(), [&](int64_t begin, int64_t end) {
      std::array<float, 1024> some;
      while (begin < end) {
        const auto floats = std::span(some).first(
            static_cast<size_t>(std::min<int64_t>(end - begin, static_cast<int64_t>(some.size()))));
        load_floats(x, begin, floats);
        store_floats(floats, y, begin);
        begin += static_cast<int64_t>(floats.size());
      }
    });
  }
};

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<CastKernel>();
}

}  // namespace

extern const Kernel cast{"cast", "Cast", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
