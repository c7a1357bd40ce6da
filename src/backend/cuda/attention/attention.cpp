#include "ops/attention/attention.h"

#include <algorithm>

#include "backend/cuda/attention/dense_view.h"
#include "backend/cuda/attention/half_heads.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/paged_attention/attention_kernels.h"
#include "backend/float_site.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

/// Attention without a cache: keys and values rounded to f16 for the Tensor Cores, or as they are for heads
/// that those do not take.
class Attention : public CudaKernel {
 public:
  size_t workspace_bytes(const OpSite& site) const override {
    const AttentionExtents e(site);
    if (!by_tiles(e)) return 0;
    return static_cast<size_t>(HalfHeads::elements(e.k, e.k.length) + HalfHeads::elements(e.v, e.v.length)) *
           sizeof(f16);
  }

  void run(const KernelRun& run) const override {
    const AttentionExtents e(run.site);
    if (run.outputs[0].shape.elements() == 0) return;
    AttentionView view = dense_view(run, e);
    if (by_tiles(e)) {
      auto* memory = reinterpret_cast<f16*>(run.workspace.data());
      const HalfHeads keys(device(), e.k, e.k.length, memory);
      const HalfHeads values(device(), e.v, e.v.length, memory + HalfHeads::elements(e.k, e.k.length));
      keys.store(pointer<float>(run.inputs[1]), e.k, 0);
      values.store(pointer<float>(run.inputs[2]), e.v, 0);
      view.keys = keys.side();
      view.values = values.side();
      const int64_t longest = round_up<int64_t>(std::max(e.q.dim, e.v.dim), 8);
      const AttentionKernels kernels = attention_kernels(KvFormat::f16, static_cast<int>(longest));
      device().launch(*kernels.prefill, dense_prefill_launch(view, kernels.padded_dim), {view, 1});
      return;
    }
    view.keys = dense_side(run.inputs[1], e.k, sizeof(float));
    view.values = dense_side(run.inputs[2], e.v, sizeof(float));
    device().launch(attention_plain_f32,
                    {{static_cast<int>(e.q.batch * e.q.length), static_cast<int>(e.q.heads)},
                     kPlainThreads,
                     plain_attention_shared(view.dim, view.value_dim)},
                    view);
  }

 private:
  static bool by_tiles(const AttentionExtents& e) { return HalfHeads::fits(e.k) && HalfHeads::fits(e.v); }
};

Refusal supports(const OpSite& site) {
  if (Refusal refusal = more_than_dense(site); !refusal.empty()) return refusal;
  const AttentionExtents e(site);
  if (e.q.dim > 2048 || e.v.dim > 2048) return fmt::format("heads of {} and {}", e.q.dim, e.v.dim);
  return not_all_f32(site, 3);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<Attention>();
}

}  // namespace

extern const Kernel attention_dense{"attention_dense", "Attention", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
