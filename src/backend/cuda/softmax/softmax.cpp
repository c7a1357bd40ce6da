#include "ops/softmax/softmax.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/softmax/softmax_kernels.h"
#include "ops/movement.h"
#include "ops/strided.h"

namespace halftone::cuda {
namespace {

class Softmax final : public CudaKernel {
 public:
  explicit Softmax(const OpSite& site) : logarithm_(site.schema->name == "LogSoftmax") {}

  void run(const KernelRun& run) const override {
    const Shape& shape = run.outputs[0].shape;
    const int64_t elements = shape.elements();
    if (elements == 0) return;
    const int axis = axis_attribute(run.site, "axis", -1, shape.rank());
    const int64_t width = shape[axis], lines = elements / width;
    const int64_t step = row_major_strides(shape)[static_cast<size_t>(axis)];
    const void* x = run.inputs[0].tensor.data;
    void* y = run.outputs[0].data;
    const DType dtype = run.outputs[0].dtype;
    if (step == 1)
      device().launch(of_type(dtype, softmax_f32, softmax_f16, softmax_bf16),
                      {{static_cast<int>(lines)}, row_threads(width), kSoftmaxShared},
                      {x, y, width, logarithm_});
    else
      device().launch(
          of_type(dtype, softmax_axis_f32, softmax_axis_f16, softmax_axis_bf16),
          {{static_cast<int>((lines + kWarp - 1) / kWarp)}, kSoftmaxAxisThreads, kSoftmaxAxisShared},
          {x, y, lines, width, step, logarithm_});
  }

 private:
  bool logarithm_;
};

Refusal supports(const OpSite& site) {
  return not_one_float(site, 1);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<Softmax>(site);
}

}  // namespace

extern const Kernel softmax{"softmax", "Softmax", Isa::scalar, supports, prepare};
extern const Kernel log_softmax{"log_softmax", "LogSoftmax", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
