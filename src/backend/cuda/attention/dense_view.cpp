#include "backend/cuda/attention/dense_view.h"

#include <cmath>

#include "backend/cuda/cuda.h"

namespace halftone::cuda {

AttentionView dense_view(const KernelRun& run, const AttentionExtents& e) {
  const Attributes& attributes = *run.site.attributes;
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
  view.block_shift = 30;
  view.block_tokens = 1 << view.block_shift;
  view.window = static_cast<int>(attributes.get_int("window", 0));
  view.scale = attributes.get_float("scale", 1.0f / std::sqrt(static_cast<float>(e.q.dim)));
  view.softcap = attributes.get_float("softcap", 0.0f);
  view.causal = attributes.get_int("is_causal", 0) != 0;
  return view;
}

KvSide dense_side(const Operand& operand, const HeadsExtent& e, size_t number_bytes) {
  const HeadsView at = heads_view(e);
  const auto bytes = static_cast<int64_t>(number_bytes);
  KvSide side{};
  side.data = const_cast<std::byte*>(operand.tensor.data);
  side.token_bytes = at.row * bytes;
  side.head_bytes = at.head * bytes;
  side.block_bytes = at.sequence * bytes;
  return side;
}

Refusal more_than_dense(const OpSite& site) {
  if (site.outputs.size() > 1) return "more than Y is asked for";
  if (site.has_input(kAttentionMask)) return "there is a mask";
  if (site.has_input(kAttentionPastKeys)) return "there is a past";
  if (site.has_input(kAttentionValidKeys)) return "there is padding";
  return {};
}

}  // namespace halftone::cuda
