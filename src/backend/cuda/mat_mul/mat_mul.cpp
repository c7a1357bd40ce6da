#include "ops/mat_mul/mat_mul.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/mat_mul/mat_mul_kernels.h"
#include "backend/float_site.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

constexpr int kBatchDims = 4;

class MatMul : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    const MatMulExtent e = mat_mul_extent(run.site, run.site.input_shape(0), run.site.input_shape(1));
    const int64_t batches = e.batch.elements();
    if (batches * e.m * e.n == 0) return;
    MatMulArgs args{};
    args.a = pointer<float>(run.inputs[0]);
    args.b = pointer<float>(run.inputs[1]);
    args.y = pointer<float>(run.outputs[0]);
    args.m = static_cast<int>(e.m);
    args.n = static_cast<int>(e.n);
    args.k = static_cast<int>(e.k);
    const auto a_strides = broadcast_strides(batch_shape(e.a), e.batch);
    const auto b_strides = broadcast_strides(batch_shape(e.b), e.batch);
    for (int d = 0; d < kBatchDims; ++d) {
      const int axis = d - (kBatchDims - e.batch.rank());
      args.dims[d] = axis < 0 ? 1 : static_cast<int>(e.batch[axis]);
      args.a_strides[d] = axis < 0 ? 0 : a_strides[static_cast<size_t>(axis)];
      args.b_strides[d] = axis < 0 ? 0 : b_strides[static_cast<size_t>(axis)];
    }
    const int64_t tile = kMatMulTile;
    device().launch(
        mat_mul_kernel,
        {{static_cast<int>(batches * ceil_div(e.m, tile) * ceil_div(e.n, tile))}, 128, kMatMulShared}, args);
  }
};

Refusal supports(const OpSite& site) {
  const int rank = std::max(site.input_shape(0).rank(), site.input_shape(1).rank());
  if (rank > kBatchDims + 2) return fmt::format("{} dimensions", rank);
  return not_all_f32(site, 2);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<MatMul>();
}

}  // namespace

extern const Kernel mat_mul{"mat_mul", "MatMul", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
