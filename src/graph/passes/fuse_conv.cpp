#include <limits>
#include <optional>

#include "core/short_floats.h"
#include "graph/passes/known_sizes.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"
#include "graph/passes/quantized_nodes.h"
#include "graph/static_codes.h"
#include "ops/conv/conv.h"
#include "ops/requantizer.h"

namespace halftone {
namespace {

using Kind = FusedActivation::Kind;

/// The bound of a Clip: its constant input, `absent` where it has none, nothing where it is computed.
std::optional<float> clip_bound(const Graph& graph, const Node& clip, size_t input, float absent) {
  if (clip.inputs.size() <= input || clip.inputs[input] == kNoValue) return absent;
  return scalar_constant(graph, clip.inputs[input]);
}

/// The activation that `node` computes of its first input, if it is one.
std::optional<FusedActivation> activation_of(const Graph& graph, const Node& node) {
  const std::string_view op = node.schema->name;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (op == "Relu") return FusedActivation{Kind::relu};
  if (op == "LeakyRelu") return FusedActivation{Kind::leaky_relu, node.attributes.get_float("alpha", 0.01f)};
  if (op == "Sigmoid") return FusedActivation{Kind::sigmoid};
  if (op == "Tanh") return FusedActivation{Kind::tanh};
  if (op == "HardSwish") return FusedActivation{Kind::hard_swish};
  if (op == "HardSigmoid")
    return FusedActivation{Kind::hard_sigmoid, node.attributes.get_float("alpha", 0.2f),
                           node.attributes.get_float("beta", 0.5f)};
  if (op == "Swish" && node.attributes.get_float("alpha", 1) == 1 && !node.attributes.has("gate_scale"))
    return FusedActivation{Kind::silu};
  if (op == "Gelu" && node.attributes.get_string("approximate", "none") != "polynomial")
    return FusedActivation{node.attributes.get_string("approximate", "none") == "tanh" ? Kind::gelu_tanh
                                                                                       : Kind::gelu};
  if (op == "Clip") {
    const auto low = clip_bound(graph, node, 1, -kInfinity), high = clip_bound(graph, node, 2, kInfinity);
    if (low && high) return FusedActivation{Kind::clip, *low, *high};
  }
  return std::nullopt;
}

bool may_take(const Graph& graph, const Node* layer) {
  return layer && layer->inputs.size() <= kConvGains && layer->use_encodings.empty() &&
         !layer->attributes.has("activation") && is_f32_or_short(graph.value(layer->outputs[0]).type.dtype);
}

bool is_encoded(const Graph& graph, ValueId value) {
  return graph.value(value).constant && graph.value(value).constant->encoding();
}

/// Whether it is a linear layer that many rows are known to pass: the kernel of such products has the
/// epilogue.
bool is_wide_linear(const Graph& graph, const Node& gemm) {
  const Shape& a = graph.value(gemm.inputs[0]).type.shape;
  const bool plain = gemm.attributes.get_int("transA", 0) == 0 && gemm.attributes.get_int("transB", 0) != 0 &&
                     gemm.attributes.get_float("alpha", 1) == 1 && gemm.attributes.get_float("beta", 1) == 1;
  const bool constants =
      graph.value(gemm.inputs[1]).constant &&
      (gemm.inputs.size() < 3 || gemm.inputs[2] == kNoValue || graph.value(gemm.inputs[2]).constant);
  return plain && constants && (a.rank() > 2 || a[0] >= 16);
}

/// Folds activations into the operators named `op` that alone feed them; `integers`: into those alone that
/// multiply codes.
int fuse_activations_into(Graph& graph, std::string_view op, bool integers = false) {
  const UseMap uses(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  int changes = 0;
  for (size_t n = 0; n < gone.size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (node.inputs.empty() || node.outputs.size() != 1 || !node.use_encodings.empty()) continue;
    const ValueId x = node.inputs[0];
    const Node* layer = x == kNoValue ? nullptr : uses.made_by(x, op);
    if (!may_take(graph, layer) || !uses.only_feeds_one(x)) continue;
    if (op == "Gemm" && !is_wide_linear(graph, *layer)) continue;
    const auto activation = activation_of(graph, node);
    if (!activation) continue;
    Node& fused = graph.nodes()[static_cast<size_t>(uses.maker(x))];
    const bool encoded = is_encoded(graph, fused.inputs[1]);
    if (encoded ? !source_codes(graph, uses, fused.inputs[0]) : integers) continue;
    set_fused_activation(fused.attributes, *activation);
    fused.outputs[0] = node.outputs[0];
    gone[n] = true;
    ++changes;
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace

/// Add(Conv(x), r) -> the Conv with r as its residual, where the Add stands.
int fuse_residual(Graph& graph) {
  const UseMap uses(graph);
  const KnownSizes sizes = known_sizes(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  int changes = 0;
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "Add" || !node.use_encodings.empty()) continue;
    for (size_t side : {size_t{0}, size_t{1}}) {
      const ValueId sum = node.inputs[side], other = node.inputs[1 - side];
      const Node* conv = uses.made_by(sum, "Conv");
      if (!may_take(graph, conv) || !uses.only_feeds_one(sum) || graph.value(other).constant ||
          !(graph.value(sum).type == graph.value(other).type) || !sizes.are_alike(sum, other) ||
          (is_encoded(graph, conv->inputs[1]) && !source_codes(graph, uses, other)) ||
          (conv->inputs.size() > 3 && conv->inputs[3] != kNoValue))
        continue;
      const size_t maker = static_cast<size_t>(uses.maker(sum));
      if (gone[maker]) continue;
      std::vector<ValueId> inputs = conv->inputs;
      inputs.resize(4, kNoValue);
      inputs[3] = other;
      node.schema = conv->schema;
      node.attributes = conv->attributes;
      node.inputs = std::move(inputs);
      gone[maker] = true;
      ++changes;
      break;
    }
  }
  graph.remove_nodes(gone);
  return changes;
}

/// Relu, Clip, LeakyRelu, Swish, ... of a Conv that feeds nothing else -> the Conv's own activation.
int fuse_conv_activation(Graph& graph) {
  return fuse_activations_into(graph, "Conv");
}

/// An activation on codes, behind a layer that makes codes of the very scale that its own table would have ->
/// the layer's own activation.
int fuse_code_tables(Graph& graph) {
  const UseMap uses(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  int changes = 0;
  for (size_t n = 0; n < gone.size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (node.outputs.size() != 1 || !has_static_codes(node)) continue;
    const ValueId x = node.inputs[0];
    const auto in = codes_in(node, 0), out = codes_out(node, 0);
    const Node* layer = uses.made_by(x);
    if (!in || !out || !layer || (layer->schema->name != "Conv" && layer->schema->name != "Gemm") ||
        !may_take(graph, layer) || !uses.only_feeds_one(x) || codes_out(*layer, 0) != in)
      continue;
    const auto activation = activation_of(graph, node);
    if (!activation || !has_table(*activation, requantization(graph.site(*layer))) ||
        !(table_scale(*activation, *out) == *in))
      continue;
    Node& fused = graph.nodes()[static_cast<size_t>(uses.maker(x))];
    set_fused_activation(fused.attributes, *activation);
    set_codes_out(fused, 0, *out);
    fused.outputs[0] = node.outputs[0];
    gone[n] = true;
    ++changes;
  }
  graph.remove_nodes(gone);
  return changes;
}

/// The same for Gemm, of codes,
int fuse_integer_gemm_activation(Graph& graph) {
  return fuse_activations_into(graph, "Gemm", true);
}

/// and any. Kernels of encoded weights leave activations alone, so it runs after the recipes.
int fuse_gemm_activation(Graph& graph) {
  return fuse_activations_into(graph, "Gemm");
}

}  // namespace halftone
