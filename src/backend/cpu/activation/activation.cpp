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

/// One input for the maps, gate and up for GatedActivation.
class ActivationKernel : public PreparedKernel {
 public:
  ActivationKernel(const OpSite& site, const ActivationLoops& loops)
      : loops_(loops), activation_(activation_of(site)), alpha_(site.attributes->get_float("alpha", 1.0f)) {}

  void run(const KernelRun& run) const override {
    const float* x = run.inputs[0].span<float>().data();
    const float* up = run.inputs.size() > 1 ? run.inputs[1].span<float>().data() : nullptr;
    float* y = run.outputs[0].span<float>().data();
    parallel_floats(run.threads, run.outputs[0].shape.elements(), [&](int64_t begin, int64_t end) {
      loops_.apply(activation_, alpha_, x + begin, up ? up + begin : nullptr, y + begin, end - begin);
    });
  }

 private:
  const ActivationLoops& loops_;
  Activation activation_;
  float alpha_;
};

Refusal supports(const OpSite& site) {
  return not_all_f32(site, site.inputs.size());
}

template <const ActivationLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<ActivationKernel>(site, kLoops);
}

}  // namespace

#define HALFTONE_ACTIVATION_KERNELS(isa)                                                                  \
  extern const Kernel gated_activation_##isa{"gated_activation_" #isa, "GatedActivation", Isa::isa,       \
                                             supports, prepare<activation_##isa>};                        \
  extern const Kernel gelu_##isa{"gelu_" #isa, "Gelu", Isa::isa, supports, prepare<activation_##isa>};    \
  extern const Kernel sigmoid_##isa{"sigmoid_" #isa, "Sigmoid", Isa::isa, supports,                       \
                                    prepare<activation_##isa>};                                           \
  extern const Kernel swish_##isa{"swish_" #isa, "Swish", Isa::isa, supports, prepare<activation_##isa>}; \
  extern const Kernel tanh_##isa{"tanh_" #isa, "Tanh", Isa::isa, supports, prepare<activation_##isa>};

#if defined(__x86_64__)
HALFTONE_ACTIVATION_KERNELS(avx512vnni)
HALFTONE_ACTIVATION_KERNELS(avx2)
#elif defined(__aarch64__)
HALFTONE_ACTIVATION_KERNELS(neon)
#endif

}  // namespace halftone::cpu
