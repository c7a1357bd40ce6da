#include <algorithm>

#include "graph/passes/pass.h"

namespace halftone {
namespace {

/// Results larger than this stay computed at run time, so that folding does not blow up the model (a
/// broadcast table, say).
constexpr int64_t kLargestFold = int64_t{1} << 24;

bool foldable(const Graph& graph, const Node& node) {
  if (node.inputs.empty()) return false;
  for (ValueId input : node.inputs) {
    if (input == kNoValue) continue;
    const Value& value = graph.value(input);
    if (!value.constant || value.constant->encoding()) return false;
  }
  return std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) {
    auto elements = graph.value(output).type.shape.checked_elements();
    return elements && *elements <= kLargestFold && graph.value(output).type.dtype != DType::state;
  });
}

void fold(Graph& graph, const Node& node) {
  const OpSite site = graph.site(node);
  std::vector<Tensor> inputs, outputs;
  std::vector<Operand> operands;
  for (ValueId input : node.inputs) {
    inputs.push_back(input == kNoValue ? Tensor() : graph.value(input).constant->load());
    operands.push_back({inputs.back().view(), nullptr, nullptr, input != kNoValue});
  }
  std::vector<MutableTensorView> views;
  for (const ValueType& type : site.outputs) {
    outputs.push_back(Tensor::allocate(type.dtype, type.shape));
    views.push_back(outputs.back().mutable_view());
  }
  if (node.schema->alias)
    outputs[0] = inputs[0].reshaped(site.outputs[0].shape);
  else
    node.schema->reference(site, operands, views);
  for (size_t i = 0; i < outputs.size(); ++i) graph.value(node.outputs[i]).constant = Constant(outputs[i]);
}

}  // namespace

/// Replaces nodes whose inputs are all plain constants by their results.
int fold_constants(Graph& graph) {
  int changes = 0;
  std::vector<bool> gone(graph.nodes().size(), false);
  for (size_t n = 0; n < gone.size(); ++n) {
    if (!foldable(graph, graph.nodes()[n])) continue;
    fold(graph, graph.nodes()[n]);
    gone[n] = true;
    ++changes;
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
