#include "backend/cpu/cast/short_loops.h"
#include "backend/cpu/float_site.h"
#include "core/short_floats.h"
#include "ops/elementwise.h"

namespace halftone::cpu {
namespace {

/// Calls f(T{}) with the element type, where it is one that casts of real graphs meet.
template <class F>
bool visit_taken(DType dtype, F f) {
  switch (dtype) {
    case DType::f32:
      return f(float{}), true;
    case DType::f16:
      return f(Half{}), true;
    case DType::bf16:
      return f(BFloat16{}), true;
    case DType::i32:
      return f(int32_t{}), true;
    case DType::i64:
      return f(int64_t{}), true;
    case DType::u8:
      return f(uint8_t{}), true;
    case DType::boolean:
      return f(bool{}), true;
    default:
      return false;
  }
}

Refusal supports(const OpSite& site) {
  if (site.inputs[0].encoding) return "input is encoded as " + site.inputs[0].encoding->str();
  for (DType dtype : {site.inputs[0].type.dtype, site.outputs[0].dtype})
    if (!visit_taken(dtype, [](auto) {})) return fmt::format("elements of {}", dtype_name(dtype));
  return mixed_order_refusal(site);
}

class CastKernel final : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    visit_taken(run.site.inputs[0].type.dtype, [&](auto from_zero) {
      visit_taken(run.outputs[0].dtype, [&](auto to_zero) {
        using From = decltype(from_zero);
        using To = decltype(to_zero);
        const From* x = run.inputs[0].span<From>().data();
        To* y = run.outputs[0].span<To>().data();
        parallel_floats(run.threads, run.outputs[0].shape.elements(), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) y[i] = to_number<To>(x[i]);
        });
      });
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
