#include "backend/cuda/broadcast/broadcast.h"
#include "backend/cuda/broadcast/where_kernels.h"
#include "backend/cuda/cuda.h"

namespace halftone::cuda {
namespace {

class WhereKernel final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const MutableTensorView& y = run.outputs[0];
    if (y.shape.elements() == 0) return;
    const size_t bytes = dtype_bytes(y.dtype);
    const auto operand = [&](size_t i, size_t size) {
      return BroadcastOperand{run.site.input_shape(i), run.inputs[i].tensor.data, size};
    };
    const std::array operands{operand(0, 1), operand(1, bytes), operand(2, bytes)};
    const auto at =
        broadcast_of<3>(broadcast_steps(operands, {y.shape, y.data, bytes}, run.site.storage_of_output(0)));
    device().launch(where_kernel, thread_each(at.count),
                    {pointer<uint8_t>(run.inputs[0]), operands[1].data, operands[2].data, y.data, at,
                     static_cast<int32_t>(bytes)});
  }
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = broadcast_refusal(site); !refusal.empty()) return refusal;
  if (dtype_bytes(site.outputs[0].dtype) > 8) return "elements of more than 8 bytes";
  for (const SiteInput& input : site.inputs)
    if (input.encoding) return "an input is encoded as " + input.encoding->str();
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<WhereKernel>();
}

}  // namespace

extern const Kernel where{"where", "Where", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cuda
