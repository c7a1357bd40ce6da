#include <array>
#include <optional>

#include "graph/passes/known_sizes.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

/// The name GatedActivation gives to the activation that `node` computes, if it knows it.
std::optional<std::string> activation_name(const Node& node) {
  if (node.schema->name == "Swish" && node.attributes.get_float("alpha", 1.0f) == 1.0f) return "silu";
  if (node.schema->name == "Gelu")
    return node.attributes.get_string("approximate", "none") == "tanh" ? "gelu_tanh" : "gelu";
  return std::nullopt;
}

}  // namespace

/// Mul(act(gate), up) -> GatedActivation(gate, up): the middle of a gated MLP in one sweep over memory.
int fuse_gated_activation(Graph& graph) {
  const OpSchema* gated = find_op("GatedActivation");
  const UseMap uses(graph);
  const KnownSizes sizes = known_sizes(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  int changes = 0;
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "Mul" || !node.use_encodings.empty()) continue;
    for (const auto& [gate_side, up_side] : {std::array{0, 1}, std::array{1, 0}}) {
      const ValueId activated = node.inputs[static_cast<size_t>(gate_side)];
      const ValueId up = node.inputs[static_cast<size_t>(up_side)];
      if (uses.maker(activated) < 0 || !uses.only_feeds_one(activated)) continue;
      if (!(graph.value(activated).type == graph.value(up).type) || !sizes.are_alike(activated, up)) continue;
      const size_t maker = static_cast<size_t>(uses.maker(activated));
      const Node& activation = graph.nodes()[maker];
      const auto name = activation_name(activation);
      if (!name || gone[maker] || !activation.use_encodings.empty()) continue;
      node.schema = gated;
      node.inputs = {activation.inputs[0], up};
      node.attributes = {{"activation", *name}};
      gone[maker] = true;
      ++changes;
      break;
    }
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
