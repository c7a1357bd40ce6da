#include "backend/cuda/activation/activation_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/float_site.h"
#include "ops/gated_activation/gated_activation.h"

namespace halftone::cuda {
namespace {

Activation activation_of(const OpSite& site) {
  const std::string_view op = site.schema->name;
  if (op == "Sigmoid") return Activation::sigmoid;
  if (op == "Tanh") return Activation::tanh;
  if (op == "Swish") return Activation::swish;
  if (op == "LeakyRelu") return Activation::leaky_relu;
  if (op == "HardSigmoid") return Activation::hard_sigmoid;
  if (op == "HardSwish") return Activation::hard_swish;
  if (op == "Gelu")
    return site.attributes->get_string("approximate", "none") == "none" ? Activation::gelu
                                                                        : Activation::gelu_tanh;
  switch (gate_kind(site)) {
    case GateKind::silu:
      return Activation::swish;
    case GateKind::gelu:
      return Activation::gelu;
    default:
      return Activation::gelu_tanh;
  }
}

/// The attribute alpha, under ONNX's default of the operator.
float alpha_of(const OpSite& site) {
  const std::string_view op = site.schema->name;
  return site.attributes->get_float("alpha", op == "LeakyRelu" ? 0.01f : op == "HardSigmoid" ? 0.2f : 1.0f);
}

/// One input for the maps, gate and up for GatedActivation.
class ActivationKernel : public CudaKernel {
 public:
  explicit ActivationKernel(const OpSite& site)
      : kind_(activation_of(site)), alpha_(alpha_of(site)), beta_(site.attributes->get_float("beta", 0.5f)) {}

  void run(const KernelRun& run) const override {
    const int64_t count = run.outputs[0].shape.elements();
    if (count == 0) return;
    const auto* x = pointer<float>(run.inputs[0]);
    const auto* up = run.inputs.size() > 1 ? pointer<float>(run.inputs[1]) : nullptr;
    auto* y = pointer<float>(run.outputs[0]);
    const bool wide = count % 4 == 0 && all_aligned_16(x, up, y);
    device().launch(activation_kernel, thread_each(wide ? count / 4 : count),
                    {x, up, y, count, kind_, alpha_, beta_, wide});
  }

 private:
  Activation kind_;
  float alpha_, beta_;
};

Refusal supports(const OpSite& site) {
  if (site.attributes->has("gate_scale")) return "its gate is rounded to codes";
  if (site.attributes->get_string("approximate", "none") == "polynomial") return "it is a polynomial";
  const Storage out = site.storage_of_output(0);
  if (out.codes) return "the output is stored as codes";
  for (const SiteInput& input : site.inputs)
    if (!(input.storage == out)) return "values are stored in different ways";
  return not_all_f32(site, site.inputs.size());
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<ActivationKernel>(site);
}

}  // namespace

extern const Kernel gated_activation{"gated_activation", "GatedActivation", Isa::scalar,
                                     supports,           prepare,           true};
extern const Kernel gelu{"gelu", "Gelu", Isa::scalar, supports, prepare, true};
extern const Kernel hard_sigmoid{"hard_sigmoid", "HardSigmoid", Isa::scalar, supports, prepare, true};
extern const Kernel hard_swish{"hard_swish", "HardSwish", Isa::scalar, supports, prepare, true};
extern const Kernel leaky_relu{"leaky_relu", "LeakyRelu", Isa::scalar, supports, prepare, true};
extern const Kernel sigmoid{"sigmoid", "Sigmoid", Isa::scalar, supports, prepare, true};
extern const Kernel swish{"swish", "Swish", Isa::scalar, supports, prepare, true};
extern const Kernel tanh_map{"tanh", "Tanh", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cuda
