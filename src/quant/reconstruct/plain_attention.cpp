#include "quant/reconstruct/plain_attention.h"

#include "base/error.h"
#include "ops/paged_attention/paged_attention.h"

namespace halftone {

int replace_paged_attention(Graph& graph) {
  int replaced = 0;
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "PagedAttention") continue;
    const PagedAttentionSpec spec = paged_attention_spec(graph.site(node));
    node.schema = find_op("Attention");
    node.attributes = {{"is_causal", int64_t{1}},
                       {"q_num_heads", int64_t{spec.num_heads}},
                       {"kv_num_heads", int64_t{spec.kv_heads}},
                       {"scale", spec.scale},
                       {"softcap", spec.softcap},
                       {"window", int64_t{spec.window}}};
    node.inputs.resize(3);
    node.outputs.resize(1);
    ++replaced;
  }
  return replaced;
}

void check_one_sequence(const Tensor& sequences, int64_t tokens, const std::string& block) {
  const auto rows = sequences.span<int32_t>();
  if (rows.size() == 3 && rows[0] == 0 && rows[1] == tokens && rows[2] == 0) return;
  throw UnsupportedError(
      "block {}: a gradient through attention needs samples of one sequence each; found {} rows", block,
      rows.size() / 3);
}

}  // namespace halftone
