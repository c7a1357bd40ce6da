#include "backend/activation_site.h"
#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

/// One input for the maps, gate and up for GatedActivation.
class ActivationKernel : public PreparedKernel {
 public:
  ActivationKernel(const OpSite& site, const ActivationLoops& loops)
      : loops_(loops), map_(activation_map(site)) {}

  void run(const KernelRun& run) const override {
    const float* x = run.inputs[0].span<float>().data();
    const float* up = run.inputs.size() > 1 ? run.inputs[1].span<float>().data() : nullptr;
    float* y = run.outputs[0].span<float>().data();
    parallel_floats(run.threads, run.outputs[0].shape.elements(), [&](int64_t begin, int64_t end) {
      loops_.apply(map_.kind, map_.alpha, map_.beta, x + begin, up ? up + begin : nullptr, y + begin,
                   end - begin);
    });
  }

 private:
  const ActivationLoops& loops_;
  ActivationMap map_;
};

template <const ActivationLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<ActivationKernel>(site, kLoops);
}

}  // namespace

#define HALFTONE_ACTIVATION_KERNEL(name, op, isa) \
  extern const Kernel name##_##isa{               \
      #name "_" #isa, op, Isa::isa, activation_refusal, prepare<activation_##isa>, true};

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
