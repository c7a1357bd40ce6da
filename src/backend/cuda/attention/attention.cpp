#include "ops/attention/attention.h"

#include <cmath>

#include "backend/cuda/attention/attention_extents.h"
#include "backend/cuda/attention/half_heads_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/paged_attention/attention_kernels.h"
#include "backend/float_site.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

/// With what the Tensor Cores' kernel takes: pairs of numbers, heads that fit.
struct Extents : AttentionExtents {
  using AttentionExtents::AttentionExtents;
  bool tiles() const { return q.dim % 2 == 0 && v.dim % 2 == 0 && q.dim <= 256 && v.dim <= 256; }
};

int64_t padded(int64_t dim) {
  return round_up<int64_t>(dim, 8);
}
int64_t half_elements(const HeadsExtent& e) {
  return e.batch * e.heads * e.length * padded(e.dim);
}

/// Attention without a cache: keys and values rounded to f16 for the Tensor Cores, or as they are for heads
/// that those do not take.
class Attention : public CudaKernel {
 public:
  explicit Attention(const OpSite& site)
      : softcap_(site.attributes->get_float("softcap", 0.0f)),
        causal_(site.attributes->get_int("is_causal", 0) != 0),
        window_(static_cast<int>(site.attributes->get_int("window", 0))) {}

  size_t workspace_bytes(const OpSite& site) const override {
    const Extents e(site);
    return e.tiles() ? static_cast<size_t>(half_elements(e.k) + half_elements(e.v)) * sizeof(f16) : 0;
  }

  void run(const KernelRun& run) const override {
    const Extents e(run.site);
    if (run.outputs[0].shape.elements() == 0) return;
    AttentionView view = view_of(run, e);
    if (e.tiles()) {
      auto* keys = reinterpret_cast<f16*>(run.workspace.data());
      view.keys = halves(pointer<float>(run.inputs[1]), e.k, keys);
      view.values = halves(pointer<float>(run.inputs[2]), e.v, keys + half_elements(e.k));
      const int longest = static_cast<int>(std::max(e.q.dim, e.v.dim));
      const AttentionKernels kernels = attention_kernels(KvFormat::f16, static_cast<int>(padded(longest)));
      const int64_t vectors = e.q.length * e.q.heads / e.k.heads;
      const int64_t tiles = e.q.batch * ceil_div(vectors, int64_t{kPrefillVectors});
      device().launch(*kernels.prefill,
                      {{static_cast<int>(tiles * e.k.heads)},
                       kPrefillThreads,
                       prefill_shared(kernels.padded_dim, kernels.element_bytes)},
                      {view, 1});
      return;
    }
    view.keys = as_it_is(run.inputs[1], e.k);
    view.values = as_it_is(run.inputs[2], e.v);
    device().launch(attention_plain_f32,
                    {{static_cast<int>(e.q.batch * e.q.length), static_cast<int>(e.q.heads)},
                     kPlainThreads,
                     plain_attention_shared(view.dim, view.value_dim)},
                    view);
  }

 private:
  AttentionView view_of(const KernelRun& run, const Extents& e) const {
    AttentionView view{};
    view.query = pointer<float>(run.inputs[0]);
    view.result = pointer<float>(run.outputs[0]);
    view.query_at = heads_view(e.q);
    view.result_at = heads_view(e.y);
    view.sequence_count = static_cast<int>(e.q.batch);
    view.rows = static_cast<int>(e.q.length);
    view.dense_keys = static_cast<int>(e.k.length);
    view.heads = static_cast<int>(e.q.heads);
    view.group = static_cast<int>(e.q.heads / e.k.heads);
    view.dim = static_cast<int>(e.q.dim);
    view.value_dim = static_cast<int>(e.v.dim);
    view.block_shift = 30;  // one block a sequence
    view.block_tokens = 1 << view.block_shift;
    view.window = window_;
    view.scale = run.site.attributes->get_float("scale", 1.0f / std::sqrt(static_cast<float>(e.q.dim)));
    view.softcap = softcap_;
    view.causal = causal_;
    return view;
  }

  KvSide halves(const float* from, const HeadsExtent& e, f16* to) const {
    const int length = static_cast<int>(e.length), heads = static_cast<int>(e.heads);
    const int64_t token = padded(e.dim);
    if (length > 0)
      device().launch(
          half_heads_kernel, {{length, heads, static_cast<int>(e.batch)}, kHalfHeadsThreads, 0},
          {from, heads_view(e), to, length, heads, static_cast<int>(e.dim), static_cast<int>(token)});
    KvSide side{};
    side.data = reinterpret_cast<std::byte*>(to);
    side.token_bytes = token * int64_t{sizeof(f16)};
    side.head_bytes = e.length * side.token_bytes;
    side.block_bytes = e.heads * side.head_bytes;
    return side;
  }

  /// The kernels that read it do not write to it.
  static KvSide as_it_is(const Operand& operand, const HeadsExtent& e) {
    const HeadsView at = heads_view(e);
    KvSide side{};
    side.data = const_cast<std::byte*>(operand.tensor.data);
    side.token_bytes = at.row * int64_t{sizeof(float)};
    side.head_bytes = at.head * int64_t{sizeof(float)};
    side.block_bytes = at.sequence * int64_t{sizeof(float)};
    return side;
  }

  float softcap_;
  bool causal_;
  int window_;
};

Refusal supports(const OpSite& site) {
  if (site.outputs.size() > 1) return "more than Y is asked for";
  if (site.has_input(3)) return "there is a mask";
  if (site.has_input(4)) return "there is a past";
  if (site.has_input(6)) return "there is padding";
  const Extents e(site);
  if (e.q.dim > 2048 || e.v.dim > 2048) return fmt::format("heads of {} and {}", e.q.dim, e.v.dim);
  return not_all_f32(site, 3);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<Attention>(site);
}

}  // namespace

extern const Kernel attention_dense{"attention_dense", "Attention", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
