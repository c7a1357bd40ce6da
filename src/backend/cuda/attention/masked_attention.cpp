#include <algorithm>

#include "backend/cuda/attention/dense_view.h"
#include "backend/cuda/attention/masked_attention_kernels.h"
#include "backend/cuda/attention/tiled_attention.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/float_types.h"
#include "core/short_floats.h"
#include "ops/strided.h"

namespace halftone::cuda {
namespace {

/// Attention with a mask, a past or padding: on Tensor Cores, or in f32 for few queries, which would leave
/// most of a tile empty, and for heads that those do not take.
class MaskedAttention final : public CudaKernel {
 public:
  size_t workspace_bytes(const OpSite& site) const override {
    return by_tiles(AttentionExtents(site)) ? tiled_attention_workspace(site) : 0;
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const AttentionExtents e(run.site);
    const ScoreMask mask = score_mask(run, e);
    if (by_tiles(e))
      run_tiled_attention(device(), run, &mask);
    else
      run_in_f32(run, e, mask);
  }

 private:
  static bool by_tiles(const AttentionExtents& e) { return e.q.length > kMaskedRows && takes_tiles(e); }

  void run_in_f32(const KernelRun& run, const AttentionExtents& e, const ScoreMask& mask) const {
    const OpSite& site = run.site;
    MaskedAttentionArgs args{};
    args.view = dense_view(run, e);
    args.view.dense_keys += mask.past;
    args.mask = mask;
    args.queries = run.inputs[0].tensor.data;
    args.results = run.outputs[0].data;
    args.keys = run.inputs[kAttentionKeys].tensor.data;
    args.values = run.inputs[kAttentionValues].tensor.data;
    args.key_at = heads_view(e.k);
    args.value_at = heads_view(e.v);
    if (mask.past > 0) {
      const auto older = [&](const HeadsExtent& fresh) {
        return heads_view({fresh.batch, fresh.heads, past_length(site), fresh.dim, false});
      };
      args.past_keys = run.inputs[kAttentionPastKeys].tensor.data;
      args.past_values = run.inputs[kAttentionPastValues].tensor.data;
      args.past_key_at = older(e.k);
      args.past_value_at = older(e.v);
    }
    device().launch(
        of_type(run.outputs[0].dtype, masked_attention_f32, masked_attention_f16, masked_attention_bf16),
        {{(args.view.rows + kMaskedRows - 1) / kMaskedRows, args.view.heads, args.view.sequence_count},
         kMaskedThreads,
         masked_attention_shared(args.view.dim, args.view.value_dim)},
        args);
  }

  static ScoreMask score_mask(const KernelRun& run, const AttentionExtents& e) {
    const OpSite& site = run.site;
    ScoreMask mask{};
    mask.past = static_cast<int32_t>(past_length(site));
    if (site.has_input(kAttentionValidKeys))
      mask.valid_keys = pointer<int64_t>(run.inputs[kAttentionValidKeys]);
    if (!site.has_input(kAttentionMask)) return mask;
    const Shape& shape = site.input_shape(kAttentionMask);
    mask.added = floats_of(run.inputs[kAttentionMask]);
    mask.is_bool = site.inputs[kAttentionMask].type.dtype == DType::boolean;
    mask.keys = static_cast<int32_t>(shape.back());
    const Strides steps = broadcast_strides(shape, {e.q.batch, e.q.heads, e.q.length, shape.back()});
    std::copy_n(steps.begin(), 4, mask.steps);
    return mask;
  }
};

Refusal supports(const OpSite& site) {
  if (site.outputs.size() > 1) return "more than Y is asked for";
  const DType wanted = site.outputs[0].dtype;
  if (!is_f32_or_short(wanted)) return fmt::format("Y is {}", dtype_name(wanted));
  for (size_t i = 0; i < site.inputs.size(); ++i) {
    const SiteInput& input = site.inputs[i];
    if (!input.present || i == kAttentionValidKeys) continue;
    if (input.encoding) return fmt::format("{} is encoded", site.schema->inputs[i].name);
    const DType dtype = input.type.dtype;
    if (i == kAttentionMask && (dtype == DType::boolean || is_f32_or_short(dtype))) continue;
    if (dtype != wanted)
      return fmt::format("{} is {}, Y {}", site.schema->inputs[i].name, dtype_name(dtype),
                         dtype_name(wanted));
  }
  const AttentionExtents e(site);
  if (e.q.dim > 1024 || e.v.dim > 1024) return fmt::format("heads of {} and {}", e.q.dim, e.v.dim);
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<MaskedAttention>();
}

}  // namespace

extern const Kernel attention_masked{"attention_masked", "Attention", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
