#include <optional>

#include "backend/cuda/cast/cast_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/float_site.h"

namespace halftone::cuda {
namespace {

std::optional<Element> element_of(DType dtype) {
  constexpr std::pair<DType, Element> kTaken[] = {
      {DType::f32, Element::f32}, {DType::f16, Element::half},       {DType::bf16, Element::brain},
      {DType::i64, Element::i64}, {DType::i32, Element::i32},        {DType::i16, Element::i16},
      {DType::i8, Element::i8},   {DType::u32, Element::u32},        {DType::u16, Element::u16},
      {DType::u8, Element::u8},   {DType::boolean, Element::boolean}};
  for (const auto& [taken, element] : kTaken)
    if (taken == dtype) return element;
  return std::nullopt;
}

class CastKernel final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const int64_t count = run.outputs[0].shape.elements();
    if (count == 0) return;
    device().launch(cast_kernel, thread_each(count),
                    {pointer<void>(run.inputs[0]), run.outputs[0].data, count,
                     *element_of(run.site.inputs[0].type.dtype), *element_of(run.outputs[0].dtype)});
  }
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = mixed_order_refusal(site); !refusal.empty()) return refusal;
  if (site.inputs[0].encoding) return "input is encoded as " + site.inputs[0].encoding->str();
  for (DType dtype : {site.inputs[0].type.dtype, site.outputs[0].dtype})
    if (!element_of(dtype)) return fmt::format("elements of {}", dtype_name(dtype));
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<CastKernel>();
}

}  // namespace

extern const Kernel cast{"cast", "Cast", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cuda
