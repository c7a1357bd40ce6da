#include "ops/attention/attention.h"

#include "backend/cuda/attention/dense_view.h"
#include "backend/cuda/attention/tiled_attention.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/float_types.h"
#include "backend/cuda/paged_attention/attention_plain_kernels.h"

namespace halftone::cuda {
namespace {

/// Attention without a cache: on Tensor Cores, or in f32 for heads that those do not take.
class Attention : public CudaKernel {
 public:
  size_t workspace_bytes(const OpSite& site) const override {
    return takes_tiles(AttentionExtents(site)) ? tiled_attention_workspace(site) : 0;
  }

  void run(const KernelRun& run) const override {
    const AttentionExtents e(run.site);
    if (run.outputs[0].shape.elements() == 0) return;
    if (takes_tiles(e)) return run_tiled_attention(device(), run, nullptr);
    AttentionView view = dense_view(run, e);
    view.keys = dense_side(run.inputs[kAttentionKeys], e.k, sizeof(float));
    view.values = dense_side(run.inputs[kAttentionValues], e.v, sizeof(float));
    device().launch(attention_plain_f32,
                    {{static_cast<int>(e.q.batch * e.q.length), static_cast<int>(e.q.heads)},
                     kPlainThreads,
                     plain_attention_shared(view.dim, view.value_dim)},
                    view);
  }
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = more_than_dense(site); !refusal.empty()) return refusal;
  const AttentionExtents e(site);
  const bool in_f32 = site.outputs[0].dtype == DType::f32;
  if (e.q.dim > 2048 || e.v.dim > 2048 || (!in_f32 && !takes_tiles(e)))
    return fmt::format("heads of {} and {}", e.q.dim, e.v.dim);
  return not_one_float(site, 3);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<Attention>();
}

}  // namespace

extern const Kernel attention_dense{"attention_dense", "Attention", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
