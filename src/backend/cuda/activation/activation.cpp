#include "backend/activation_site.h"
#include "backend/cuda/activation/activation_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"

namespace halftone::cuda {
namespace {

/// One input for the maps, gate and up for GatedActivation.
class ActivationKernel : public CudaKernel {
 public:
  explicit ActivationKernel(const OpSite& site) : map_(activation_map(site)) {}

  void run(const KernelRun& run) const override {
    const int64_t count = run.outputs[0].shape.elements();
    if (count == 0) return;
    const Floats x = floats_of(run.inputs[0]),
                 up = floats_of(run.inputs.size() > 1 ? run.inputs[1] : Operand{});
    const FloatsOut y = floats_of(run.outputs[0]);
    const bool wide = count % 4 == 0 && all_aligned_16(x.data, up.data, y.data);
    device().launch(activation_kernel, thread_each(wide ? count / 4 : count),
                    {x, up, y, count, map_.kind, map_.alpha, map_.beta, wide});
  }

 private:
  ActivationMap map_;
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = activation_form_refusal(site); !refusal.empty()) return refusal;
  return not_one_float(site, site.inputs.size());
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
