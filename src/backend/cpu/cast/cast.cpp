#include <algorithm>
#include <array>

#include "backend/cpu/cast/short_loops.h"
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
class CastKernel final : public PreparedKernel {
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

#if defined(__x86_64__)
Refusal supports_short(const OpSite& site) {
  const DType from = site.inputs[0].type.dtype, to = site.outputs[0].dtype;
  if (!(from == DType::f32 && is_short_float(to)) && !(is_short_float(from) && to == DType::f32))
    return fmt::format("{} to {}", dtype_name(from), dtype_name(to));
  return supports(site);
}

/// Between f32 and one of the types of 16 bits.
class ShortCast final : public PreparedKernel {
 public:
  explicit ShortCast(const ShortLoops& loops) : loops_(loops) {}

  void run(const KernelRun& run) const override {
    const TensorView& x = run.inputs[0].tensor;
    const MutableTensorView& y = run.outputs[0];
    const bool widens = y.dtype == DType::f32, half = (widens ? x.dtype : y.dtype) == DType::f16;
    const auto widen = half ? loops_.widen_half : loops_.widen_bfloat;
    const auto round = half ? loops_.round_to_half : loops_.round_to_bfloat;
    parallel_floats(run.threads, y.shape.elements(), [&](int64_t begin, int64_t end) {
      if (widens)
        widen(reinterpret_cast<const uint16_t*>(x.data) + begin, reinterpret_cast<float*>(y.data) + begin,
              end - begin);
      else
        round(reinterpret_cast<const float*>(x.data) + begin, reinterpret_cast<uint16_t*>(y.data) + begin,
              end - begin);
    });
  }

 private:
  const ShortLoops& loops_;
};

std::unique_ptr<PreparedKernel> prepare_avx2(const OpSite&, ThreadPool&) {
  return std::make_unique<ShortCast>(short_loops_avx2);
}
#endif

}  // namespace

#if defined(__x86_64__)
extern const Kernel cast_avx2{"cast_avx2", "Cast", Isa::avx2, supports_short, prepare_avx2, true};
#endif
extern const Kernel cast{"cast", "Cast", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
