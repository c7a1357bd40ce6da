#include "formats/onnx/imported_node.h"

#include <algorithm>

#include "base/error.h"
#include "formats/node_inputs.h"
#include "graph/evaluate.h"

namespace halftone {
namespace {

/// Constants up to this length may steer shapes; the standard passes fold longer ones.
constexpr int64_t kLongestFold = 4096;

bool is_short(const ValueType& type) {
  const auto elements = type.shape.checked_elements();
  return elements && *elements <= kLongestFold && type.dtype != DType::state;
}

/// Weights behind a DequantizeLinear stay integers for the passes.
bool is_foldable(const Graph& graph, const Node& node) {
  if (node.schema->name == "DequantizeLinear") return false;
  for (ValueId input : node.inputs) {
    if (input == kNoValue) continue;
    const Value& value = graph.value(input);
    if (node.schema->of_shapes ? !value.type.shape.is_concrete() : !value.constant || !is_short(value.type))
      return false;
  }
  return std::all_of(node.outputs.begin(), node.outputs.end(),
                     [&](ValueId output) { return is_short(graph.value(output).type); });
}

void check_size(const Value& value) {
  if (value.type.shape.is_concrete() && !value.type.shape.checked_elements())
    throw InputError("value \"{}\": shape {} has too many elements", value.name, value.type.shape.str());
}

}  // namespace

bool NodeAppender::is_false(ValueId value) const {
  const Value& v = graph_.value(value);
  return v.constant && v.type == ValueType{DType::boolean, {}} && !v.constant->load().span<bool>()[0];
}

std::string NodeAppender::unique_name(const std::string& wanted) {
  std::string name = wanted;
  if (names_.insert(name).second) return name;
  int& last = last_number_[wanted];
  while (!names_.insert(name = fmt::format("{}_{}", wanted, ++last)).second) {
  }
  return name;
}

std::vector<ValueId> NodeAppender::append(ImportedNode node) {
  const OpSchema* schema = find_op(node.op);
  if (!schema) throw UnsupportedError("node \"{}\": operator {} is not handled", node.name, node.op);
  check_node_inputs(*schema, node.inputs, fmt::format("node \"{}\"", node.name));
  const std::string name = node.name;
  const auto outputs = graph_.add_node(*schema, std::move(node.name), std::move(node.inputs),
                                       std::move(node.attributes), node.outputs);
  if (outputs.size() < node.outputs)
    throw UnsupportedError("node \"{}\": {} has no output {} here", name, node.op, outputs.size());
  for (ValueId output : outputs) check_size(graph_.value(output));
  fold_last(outputs);
  return outputs;
}

void NodeAppender::fold_last(const std::vector<ValueId>& outputs) {
  const Node& node = graph_.nodes().back();
  if (!is_foldable(graph_, node)) return;
  std::vector<Tensor> inputs;
  for (ValueId input : node.inputs)
    inputs.push_back(input == kNoValue || node.schema->of_shapes ? Tensor()
                                                                 : graph_.value(input).constant->load());
  const std::vector<Tensor> made = evaluate(graph_.site(node), inputs);
  for (size_t i = 0; i < made.size(); ++i) graph_.value(outputs[i]).constant = Constant(made[i]);
  graph_.nodes().pop_back();
}

ValueId NodeAppender::append_before(const ImportedNode& node, std::string_view op,
                                    std::vector<ValueId> inputs, Attributes attributes) {
  ImportedNode before;
  before.name = unique_name(fmt::format("{}.{}", node.name, op));
  before.op = op;
  before.inputs = std::move(inputs);
  before.attributes = std::move(attributes);
  return append(std::move(before)).front();
}

ValueId NodeAppender::constant(const ImportedNode& node, std::string_view what, const Tensor& tensor) {
  return graph_.add_constant(unique_name(fmt::format("{}.{}", node.name, what)), Constant(tensor));
}

}  // namespace halftone
