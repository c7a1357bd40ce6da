#include "ops/mat_mul/mat_mul.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/mat_mul/mat_mul_kernels.h"
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
    args.a = run.inputs[0].tensor.data;
    args.b = run.inputs[1].tensor.data;
    args.y = run.outputs[0].data;
    args.wide_a = e.k % 8 == 0 && all_aligned_16(args.a);
    args.wide_b = e.n % 8 == 0 && all_aligned_16(args.b);
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
    const DType dtype = run.outputs[0].dtype;
    device().launch(of_type(dtype, mat_mul_kernel, mat_mul_f16, mat_mul_bf16),
                    {{static_cast<int>(batches * ceil_div(e.m, tile) * ceil_div(e.n, tile))},
                     128,
                     dtype == DType::f32 ? kMatMulShared : kShortMatMulShared},
                    args);
  }
};

Refusal supports(const OpSite& site) {
  const int rank = std::max(site.input_shape(0).rank(), site.input_shape(1).rank());
  if (rank > kBatchDims + 2) return fmt::format("{} dimensions", rank);
  return not_one_float(site, 2);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<MatMul>();
}

}  // namespace

extern const Kernel mat_mul{"mat_mul", "MatMul", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
