#include "quant/structure/input_groups.h"

#include <map>

namespace halftone {

std::optional<LayerForm> layer_form(const Graph& graph, const Node& node) {
  if (node.inputs.size() < 2 || node.inputs[0] == kNoValue || node.inputs[1] == kNoValue) return {};
  const Value& weight = graph.value(node.inputs[1]);
  const Value& input = graph.value(node.inputs[0]);
  if (!weight.constant || input.constant) return {};
  const Shape& shape = weight.type.shape;
  LayerForm form;
  if (node.schema->name == "Gemm") {
    if (node.attributes.get_int("transA", 0) != 0) return {};
    const bool transposed = node.attributes.get_int("transB", 0) != 0;
    form.input_axis = input.type.shape.rank() - 1;  // of any number of rows' axes
    form.weight_axis = transposed ? 1 : 0;
  } else if (node.schema->name == "MatMul") {
    if (shape.rank() != 2) return {};
    form.input_axis = input.type.shape.rank() - 1;
    form.weight_axis = 0;
  } else if (node.schema->name == "Conv") {
    form.input_axis = 1;
    form.weight_axis = 1;
    form.groups = node.attributes.get_int("group", 1);
  } else {
    return {};
  }
  form.output_axis = 1 - form.weight_axis;
  form.channels = shape[form.weight_axis] * form.groups;
  form.outputs = shape[form.output_axis];
  return form;
}

std::vector<InputGroup> find_input_groups(const Graph& graph) {
  std::vector<InputGroup> groups;
  std::map<ValueId, size_t> place;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (!layer_form(graph, node)) continue;
    const auto [found, is_new] = place.try_emplace(node.inputs[0], groups.size());
    if (is_new) groups.push_back({node.inputs[0], {}});
    groups[found->second].layers.push_back(static_cast<int>(n));
  }
  return groups;
}

}  // namespace halftone
