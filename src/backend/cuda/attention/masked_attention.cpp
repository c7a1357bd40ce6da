#include <algorithm>

#include "backend/cuda/attention/dense_view.h"
#include "backend/cuda/attention/half_heads.h"
#include "backend/cuda/attention/masked_attention_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/paged_attention/attention_prefill_kernels.h"
#include "backend/float_site.h"
#include "ops/strided.h"

namespace halftone::cuda {
namespace {

enum Input : size_t { kQ, kK, kV, kMask, kPastKey, kPastValue, kValidKeys };

/// Positions before those of the keys of this run.
int64_t past_length(const OpSite& site) {
  return site.has_input(kPastKey) ? site.input_shape(kPastKey)[2] : 0;
}

/// Attention with a mask, a past or padding: on Tensor Cores, keys and values rounded to f16, or in f32 for
/// few queries, which would leave most of a tile empty, and for heads that those do not take.
class MaskedAttention final : public CudaKernel {
 public:
  size_t workspace_bytes(const OpSite& site) const override {
    const AttentionExtents e(site);
    return by_tiles(e)
               ? static_cast<size_t>(half_elements(site, e.k) + half_elements(site, e.v)) * sizeof(f16)
               : 0;
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const AttentionExtents e(run.site);
    AttentionView view = dense_view(run, e);
    view.dense_keys += static_cast<int>(past_length(run.site));
    if (by_tiles(e))
      run_by_tiles(run, e, view);
    else
      run_in_f32(run, e, view);
  }

 private:
  static bool by_tiles(const AttentionExtents& e) {
    return e.q.length > kMaskedRows && HalfHeads::fits(e.k) && HalfHeads::fits(e.v);
  }
  static int64_t half_elements(const OpSite& site, const HeadsExtent& e) {
    return HalfHeads::elements(e, past_length(site) + e.length);
  }
  static HeadsExtent past_extent(const OpSite& site, const HeadsExtent& fresh) {
    return {fresh.batch, fresh.heads, past_length(site), fresh.dim, false};
  }

  void run_by_tiles(const KernelRun& run, const AttentionExtents& e, AttentionView view) const {
    const OpSite& site = run.site;
    const int64_t past = past_length(site);
    const ScoreMask mask = score_mask(run, e);
    auto* memory = reinterpret_cast<f16*>(run.workspace.data());
    const auto half_side = [&](const HeadsExtent& extent, Input fresh, Input older) {
      const HalfHeads halves(device(), extent, past + extent.length, memory);
      if (past > 0) halves.store(pointer<float>(run.inputs[older]), past_extent(site, extent), 0);
      halves.store(pointer<float>(run.inputs[fresh]), extent, past, mask.valid_keys);
      memory += half_elements(site, extent);
      return halves.side();
    };
    view.keys = half_side(e.k, kK, kPastKey);
    view.values = half_side(e.v, kV, kPastValue);
    const int64_t dim = std::max(e.q.dim, e.v.dim);
    if (dim <= 64)
      launch_tiles(attention_prefill_masked_64, 64, view, mask);
    else if (dim <= 128)
      launch_tiles(attention_prefill_masked_128, 128, view, mask);
    else
      launch_tiles(attention_prefill_masked_256, 256, view, mask);
  }
  void launch_tiles(const DeviceKernel<AttentionMaskedPrefillArgs>& kernel, int dim,
                    const AttentionView& view, const ScoreMask& mask) const {
    device().launch(kernel, dense_prefill_launch(view, dim), {view, mask});
  }

  void run_in_f32(const KernelRun& run, const AttentionExtents& e, const AttentionView& view) const {
    const OpSite& site = run.site;
    MaskedAttentionArgs args{};
    args.view = view;
    args.mask = score_mask(run, e);
    args.keys = pointer<float>(run.inputs[kK]);
    args.values = pointer<float>(run.inputs[kV]);
    args.key_at = heads_view(e.k);
    args.value_at = heads_view(e.v);
    if (args.mask.past > 0) {
      args.past_keys = pointer<float>(run.inputs[kPastKey]);
      args.past_values = pointer<float>(run.inputs[kPastValue]);
      args.past_key_at = heads_view(past_extent(site, e.k));
      args.past_value_at = heads_view(past_extent(site, e.v));
    }
    device().launch(masked_attention_kernel,
                    {{(view.rows + kMaskedRows - 1) / kMaskedRows, view.heads, view.sequence_count},
                     kMaskedThreads,
                     masked_attention_shared(view.dim, view.value_dim)},
                    args);
  }

  static ScoreMask score_mask(const KernelRun& run, const AttentionExtents& e) {
    const OpSite& site = run.site;
    ScoreMask mask{};
    mask.past = static_cast<int32_t>(past_length(site));
    if (site.has_input(kValidKeys)) mask.valid_keys = pointer<int64_t>(run.inputs[kValidKeys]);
    if (!site.has_input(kMask)) return mask;
    const Shape& shape = site.input_shape(kMask);
    mask.added = run.inputs[kMask].tensor.data;
    mask.is_bool = site.inputs[kMask].type.dtype == DType::boolean;
    mask.keys = static_cast<int32_t>(shape.back());
    const Strides steps = broadcast_strides(shape, {e.q.batch, e.q.heads, e.q.length, shape.back()});
    std::copy_n(steps.begin(), 4, mask.steps);
    return mask;
  }
};

Refusal supports(const OpSite& site) {
  if (site.outputs.size() > 1) return "more than Y is asked for";
  for (size_t i = 0; i < site.inputs.size(); ++i) {
    const SiteInput& input = site.inputs[i];
    if (!input.present || i == kValidKeys) continue;
    if (input.encoding) return fmt::format("{} is encoded", site.schema->inputs[i].name);
    if (input.type.dtype != DType::f32 && !(i == kMask && input.type.dtype == DType::boolean))
      return fmt::format("{} is {}", site.schema->inputs[i].name, dtype_name(input.type.dtype));
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
