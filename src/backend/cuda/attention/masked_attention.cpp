#include <cmath>

#include "backend/cuda/attention/attention_extents.h"
#include "backend/cuda/attention/masked_attention_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/float_site.h"
#include "ops/strided.h"

namespace halftone::cuda {
namespace {

enum Input : size_t { kQ, kK, kV, kMask, kPastKey, kPastValue, kValidKeys };

class MaskedAttention final : public CudaKernel {
 public:
  explicit MaskedAttention(const OpSite& site)
      : softcap_(site.attributes->get_float("softcap", 0.0f)),
        causal_(site.attributes->get_int("is_causal", 0) != 0),
        window_(static_cast<int>(site.attributes->get_int("window", 0))) {}

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const OpSite& site = run.site;
    const AttentionExtents e(site);
    MaskedAttentionArgs args{};
    args.query = pointer<float>(run.inputs[kQ]);
    args.keys = pointer<float>(run.inputs[kK]);
    args.values = pointer<float>(run.inputs[kV]);
    args.result = pointer<float>(run.outputs[0]);
    args.query_at = heads_view(e.q);
    args.key_at = heads_view(e.k);
    args.value_at = heads_view(e.v);
    args.result_at = heads_view(e.y);
    if (site.has_input(kPastKey)) {
      args.past = static_cast<int32_t>(site.input_shape(kPastKey)[2]);
      args.past_keys = pointer<float>(run.inputs[kPastKey]);
      args.past_values = pointer<float>(run.inputs[kPastValue]);
      args.past_key_at = heads_view({e.k.batch, e.k.heads, args.past, e.k.dim, false});
      args.past_value_at = heads_view({e.v.batch, e.v.heads, args.past, e.v.dim, false});
    }
    if (site.has_input(kValidKeys)) args.valid_keys = pointer<int64_t>(run.inputs[kValidKeys]);
    if (site.has_input(kMask)) set_mask(run, e, args);
    args.rows = static_cast<int32_t>(e.q.length);
    args.length = static_cast<int32_t>(e.k.length);
    args.group = static_cast<int32_t>(e.q.heads / e.k.heads);
    args.dim = static_cast<int32_t>(e.q.dim);
    args.value_dim = static_cast<int32_t>(e.v.dim);
    args.window = window_;
    args.scale = site.attributes->get_float("scale", 1.0f / std::sqrt(static_cast<float>(e.q.dim)));
    args.softcap = softcap_;
    args.causal = causal_;
    device().launch(masked_attention_kernel,
                    {{(args.rows + kMaskedRows - 1) / kMaskedRows, static_cast<int>(e.q.heads),
                      static_cast<int>(e.q.batch)},
                     kMaskedThreads,
                     masked_attention_shared(args.dim, args.value_dim)},
                    args);
  }

 private:
  static void set_mask(const KernelRun& run, const AttentionExtents& e, MaskedAttentionArgs& args) {
    const Shape& mask = run.site.input_shape(kMask);
    args.mask = run.inputs[kMask].tensor.data;
    args.mask_is_bool = run.site.inputs[kMask].type.dtype == DType::boolean;
    args.mask_keys = static_cast<int32_t>(mask.back());
    const Strides steps = broadcast_strides(mask, {e.q.batch, e.q.heads, e.q.length, mask.back()});
    std::copy_n(steps.begin(), 4, args.mask_steps);
  }

  float softcap_;
  bool causal_;
  int window_;
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

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<MaskedAttention>(site);
}

}  // namespace

extern const Kernel attention_masked{"attention_masked", "Attention", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
