#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/softmax/softmax_kernels.h"
#include "backend/float_site.h"

namespace halftone::cuda {
namespace {

class Softmax : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    const int64_t width = run.outputs[0].shape.back();
    device().launch(softmax_kernel,
                    {{static_cast<int>(elements / width)}, row_threads(width), kSoftmaxShared},
                    {pointer<float>(run.inputs[0]), pointer<float>(run.outputs[0]), width});
  }
};

Refusal supports(const OpSite& site) {
  const int64_t axis = site.attributes->get_int("axis", -1);
  if (axis != -1 && axis != site.input_shape(0).rank() - 1)
    return fmt::format("axis {} is not the last", axis);
  return not_all_f32(site, 1);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<Softmax>();
}

}  // namespace

extern const Kernel softmax{"softmax", "Softmax", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
