#include "backend/cuda/gemm/addend.h"

#include "backend/constant_floats.h"
#include "backend/cuda/float_types.h"
#include "ops/fused_activation.h"
#include "ops/gemm/gemm.h"

namespace halftone::cuda {

using Kind = FusedActivation::Kind;
static_assert(static_cast<int>(Kind::none) == DeviceActivation::none &&
              static_cast<int>(Kind::silu) == DeviceActivation::silu &&
              static_cast<int>(Kind::gelu_tanh) == DeviceActivation::gelu_tanh);

Addend::Addend(const OpSite& site)
    : alpha_(site.attributes->get_float("alpha", 1)), beta_(site.attributes->get_float("beta", 1)) {
  const FusedActivation activation = fused_activation(site);
  activation_ = {static_cast<int32_t>(activation.kind), activation.a, activation.b};
  if (!site.has_input(2) || !site.inputs[2].constant) return;
  constant_ = constant_floats(site, 2);
}

GemmOutput Addend::output(const KernelRun& run, const std::byte* c) const {
  const GemmExtent extent = gemm_extent(run.site);
  GemmOutput out{};
  out.y = floats_of(run.outputs[0]);
  out.alpha = alpha_;
  out.beta = beta_;
  out.activation = activation_;
  out.m = static_cast<int>(extent.m);
  out.n = static_cast<int>(extent.n);
  if (!run.site.has_input(2)) return out;
  const Shape& shape = run.site.input_shape(2);
  out.c = constant_.empty() ? floats_of(run.inputs[2]) : Floats{c, FloatType::f32};
  out.c_row_step = shape.rank() == 2 && shape[0] != 1 ? shape[1] : 0;
  out.c_column_step = shape.rank() >= 1 && shape.back() != 1 ? 1 : 0;
  return out;
}

}  // namespace halftone::cuda
