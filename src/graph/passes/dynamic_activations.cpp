#include "graph/passes/dynamic_activations.h"

#include "graph/static_codes.h"
#include "scheme/bf16/rounded_bf16.h"

namespace halftone {
namespace {

template <class Unwanted>
int remove_if(Graph& graph, Unwanted unwanted) {
  int changes = 0;
  for (Node& node : graph.nodes())
    for (std::optional<Encoding>& encoding : node.use_encodings) {
      if (!encoding || !unwanted(*encoding)) continue;
      encoding.reset();
      ++changes;
    }
  return changes;
}

}  // namespace

int add_dynamic_activations(Graph& graph) {
  Encoding per_token;
  per_token.format = find_number_format("int8");
  per_token.granularity = Granularity::per_token();
  per_token.timing = Timing::dynamic;
  per_token.scale_dtype = DType::f32;

  int changes = 0;
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "Gemm" || has_static_codes(node)) continue;
    const OpSite site = graph.site(node);
    const Encoding* weights = site.inputs[1].constant ? site.inputs[1].encoding : nullptr;
    if (!weights || !weights->format->is_integer() || site.inputs[0].encoding || site.inputs[0].constant)
      continue;
    node.use_encodings.resize(1);
    node.use_encodings[0] = per_token;
    ++changes;
  }
  return changes;
}

int remove_dynamic_activations(Graph& graph) {
  return remove_if(graph, [](const Encoding& encoding) { return encoding.timing == Timing::dynamic; });
}

int round_activations(Graph& graph) {
  constexpr int64_t kFewChannels = 4;
  int changes = 0;
  for (Node& node : graph.nodes()) {
    const bool conv = node.schema->name == "Conv";
    if ((!conv && node.schema->name != "Gemm") || has_static_codes(node)) continue;
    const OpSite site = graph.site(node);
    const SiteInput &x = site.inputs[0], &w = site.inputs[1];
    if (!w.constant || w.encoding || w.type.dtype != DType::bf16 || x.constant || x.encoding) continue;
    if (conv && (w.type.shape[1] <= kFewChannels || node.attributes.get_int("group", 1) != 1)) continue;
    node.use_encodings.resize(1);
    node.use_encodings[0] = bf16_activations();
    ++changes;
  }
  return changes;
}

int remove_rounded_activations(Graph& graph) {
  return remove_if(graph, is_rounded_bf16);
}

}  // namespace halftone
