#include "ops/rotary_embedding/rotary_embedding.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/rotary_embedding/rotary_embedding_kernels.h"
#include "backend/float_site.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

constexpr int kThreads = 128;

class RotaryEmbedding : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const RotaryExtent extent = rotary_extent(run.site);
    const int64_t rows = extent.batch * extent.length;
    if (rows == 0 || extent.heads == 0) return;
    const int half = static_cast<int>(extent.rotary / 2), heads = static_cast<int>(extent.heads),
              dim = static_cast<int>(extent.head_dim);
    const RotaryArgs args{pointer<float>(run.inputs[0]),
                          pointer<float>(run.inputs[1]),
                          pointer<float>(run.inputs[2]),
                          extent.by_position ? pointer<void>(run.inputs[3]) : nullptr,
                          pointer<float>(run.outputs[0]),
                          extent.by_position ? run.site.input_shape(1)[0] : rows,
                          static_cast<int>(extent.length),
                          heads,
                          dim,
                          half,
                          extent.by_position && run.inputs[3].tensor.dtype == DType::i64,
                          extent.heads_first,
                          extent.interleaved};
    device().launch(rotary_embedding_kernel,
                    {{static_cast<int>(rows), ceil_div((dim - half) * heads, kThreads)}, kThreads, 0}, args);
  }
};

Refusal supports(const OpSite& site) {
  return not_all_f32(site, 3);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<RotaryEmbedding>();
}

}  // namespace

extern const Kernel rotary_embedding{"rotary_embedding", "RotaryEmbedding", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
