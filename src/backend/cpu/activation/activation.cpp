#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/float_site.h"
#include "ops/gated_activation/gated_activation.h"

namespace halftone::cpu {
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
class ActivationKernel : public PreparedKernel {
 public:
  ActivationKernel(const OpSite& site, const ActivationLoops& loops)
      : loops_(loops),
        activation_(activation_of(site)),
        alpha_(alpha_of(site)),
        beta_(site.attributes->get_float("beta", 0.5f)) {}

  void run(const KernelRun& run) const override {
    const float* x = run.inputs[0].span<float>().data();
    const float* up = run.inputs.size() > 1 ? run.inputs[1].span<float>().data() : nullptr;
    float* y = run.outputs[0].span<float>().data();
    parallel_floats(run.threads, run.outputs[0].shape.elements(), [&](int64_t begin, int64_t end) {
      loops_.apply(activation_, alpha_, beta_, x + begin, up ? up + begin : nullptr, y + begin, end - begin);
    });
  }

 private:
  const ActivationLoops& loops_;
  Activation activation_;
  float alpha_, beta_;
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = mixed_order_refusal(site); !refusal.empty()) return refusal;
  if (site.attributes->get_string("approximate", "none") == "polynomial") return "Gelu by a polynomial";
  if (site.attributes->has("gate_scale")) return "the gate is rounded";
  return not_all_f32(site, site.inputs.size());
}

template <const ActivationLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<ActivationKernel>(site, kLoops);
}

}  // namespace

#define HALFTONE_ACTIVATION_KERNEL(name, op, isa) \
  extern const Kernel name##_##isa{#name "_" #isa, op, Isa::isa, supports, prepare<activation_##isa>, true};

#define HALFTONE_ACTIVATION_KERNELS(isa)                               \
  HALFTONE_ACTIVATION_KERNEL(gated_activation, "GatedActivation", isa) \
  HALFTONE_ACTIVATION_KERNEL(gelu, "Gelu", isa)                        \
  HALFTONE_ACTIVATION_KERNEL(hard_sigmoid, "HardSigmoid", isa)         \
  HALFTONE_ACTIVATION_KERNEL(hard_swish, "HardSwish", isa)             \
  HALFTONE_ACTIVATION_KERNEL(leaky_relu, "LeakyRelu", isa)             \
  HALFTONE_ACTIVATION_KERNEL(sigmoid, "Sigmoid", isa)                  \
  HALFTONE_ACTIVATION_KERNEL(swish, "Swish", isa)                      \
  HALFTONE_ACTIVATION_KERNEL(tanh, "Tanh", isa)

#if defined(__x86_64__)
HALFTONE_ACTIVATION_KERNELS(avx512vnni)
HALFTONE_ACTIVATION_KERNELS(avx2)
#elif defined(__aarch64__)
HALFTONE_ACTIVATION_KERNELS(neon)
#endif

}  // namespace halftone::cpu
