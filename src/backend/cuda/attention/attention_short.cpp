#include <algorithm>

#include "backend/cuda/attention/dense_view.h"
#include "backend/cuda/cast/cast_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/paged_attention/attention_kernels.h"
#include "base/checked.h"
#include "core/short_floats.h"

namespace halftone::cuda {
namespace {

/// Attention without a cache whose keys and values, f16 or bf16, are read where they lie. Queries and results
/// are f32 beside the kernel, in the workspace.
class ShortAttention final : public CudaKernel {
 public:
  size_t workspace_bytes(const OpSite& site) const override {
    return results_at(site) + floats_bytes(site.outputs[0].shape);
  }

  void run(const KernelRun& run) const override {
    const AttentionExtents e(run.site);
    const MutableTensorView& y = run.outputs[0];
    if (y.shape.elements() == 0) return;
    const Element type = y.dtype == DType::f16 ? Element::half : Element::brain;
    std::byte* queries = run.workspace.data();
    std::byte* results = queries + results_at(run.site);
    cast(run.inputs[0].tensor.data, queries, run.site.input_shape(0), type, Element::f32);
    AttentionView view = dense_view(run, e);
    view.query = reinterpret_cast<const float*>(queries);
    view.result = reinterpret_cast<float*>(results);
    view.keys = dense_side(run.inputs[1], e.k, sizeof(uint16_t));
    view.values = dense_side(run.inputs[2], e.v, sizeof(uint16_t));
    const AttentionKernels kernels = attention_kernels(y.dtype == DType::f16 ? KvFormat::f16 : KvFormat::bf16,
                                                       static_cast<int>(std::max(e.q.dim, e.v.dim)));
    device().launch(*kernels.prefill, dense_prefill_launch(view, kernels.padded_dim), {view, 1});
    cast(results, y.data, y.shape, Element::f32, type);
  }

 private:
  static size_t floats_bytes(const Shape& shape) {
    return static_cast<size_t>(shape.elements()) * sizeof(float);
  }
  static size_t results_at(const OpSite& site) {
    return round_up(floats_bytes(site.input_shape(0)), size_t{256});
  }
  void cast(const void* from, void* to, const Shape& shape, Element from_type, Element to_type) const {
    const int64_t count = shape.elements();
    device().launch(cast_kernel, thread_each(count), {from, to, count, from_type, to_type});
  }
};

Refusal supports(const OpSite& site) {
  if (!is_short_float(site.outputs[0].dtype))
    return fmt::format("Y is {}", dtype_name(site.outputs[0].dtype));
  if (Refusal refusal = more_than_dense(site); !refusal.empty()) return refusal;
  const AttentionExtents e(site);
  for (const HeadsExtent& side : {e.k, e.v})
    if (side.dim % 8 != 0 || side.dim > 256) return fmt::format("heads of {}", side.dim);
  return not_one_float(site, 3);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<ShortAttention>();
}

}  // namespace

extern const Kernel attention_short{"attention_short", "Attention", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
