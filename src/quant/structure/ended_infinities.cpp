#include "quant/structure/ended_infinities.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "quant/structure/input_groups.h"

namespace halftone {
namespace {

constexpr std::array<std::string_view, 4> kBounded = {"HardSigmoid", "Sigmoid", "Softmax", "Tanh"};
constexpr size_t kAttentionMask = 3;

/// Whether what the node makes is finite whatever its input `slot` holds.
bool bounds(const Node& node, size_t slot) {
  return std::ranges::find(kBounded, node.schema->name) != kBounded.end() ||
         (node.schema->name == "Attention" && slot == kAttentionMask);
}

}  // namespace

std::vector<bool> ended_infinities(const Graph& graph) {
  std::vector<bool> ends(graph.values().size(), true);
  for (ValueId output : graph.outputs()) ends[static_cast<size_t>(output)] = false;
  for (size_t n = graph.nodes().size(); n-- > 0;) {
    const Node& node = graph.nodes()[n];
    const bool goes_on = layer_form(graph, node) || std::ranges::any_of(node.outputs, [&](ValueId output) {
                           return output != kNoValue && is_float(graph.value(output).type.dtype) &&
                                  !ends[static_cast<size_t>(output)];
                         });
    if (!goes_on) continue;
    for (size_t slot = 0; slot < node.inputs.size(); ++slot)
      if (node.inputs[slot] != kNoValue && !bounds(node, slot))
        ends[static_cast<size_t>(node.inputs[slot])] = false;
  }
  return ends;
}

}  // namespace halftone
