#pragma once

#include <map>
#include <string>

#include "graph/graph.h"

namespace halftone {

/// The values of a graph without states at concrete shapes, each node by its reference: by value id.
inline std::vector<Tensor> run_by_references(const Graph& graph,
                                             const std::map<std::string, Tensor>& inputs) {
  std::vector<Tensor> values(graph.values().size());
  for (size_t id = 0; id < values.size(); ++id) {
    const Value& value = graph.values()[id];
    if (value.constant)
      values[id] = value.constant->load();
    else if (const auto found = inputs.find(value.name); found != inputs.end())
      values[id] = found->second;
  }
  for (const Node& node : graph.nodes()) {
    const OpSite site = graph.site(node);
    std::vector<Operand> operands;
    for (ValueId input : node.inputs)
      operands.push_back(input == kNoValue
                             ? Operand{}
                             : Operand{values[static_cast<size_t>(input)].view(), nullptr, nullptr, true});
    std::vector<MutableTensorView> outputs;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      Tensor& made = values[static_cast<size_t>(node.outputs[i])];
      made = Tensor::allocate(site.outputs[i].dtype, site.outputs[i].shape);
      outputs.push_back(made.mutable_view());
    }
    if (node.schema->alias)
      values[static_cast<size_t>(node.outputs[0])] =
          values[static_cast<size_t>(node.inputs[0])].reshaped(site.outputs[0].shape);
    else
      node.schema->reference(site, operands, outputs);
  }
  return values;
}

}  // namespace halftone
