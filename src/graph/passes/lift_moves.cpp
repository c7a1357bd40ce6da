#include <algorithm>

#include "graph/code_operators.h"
#include "graph/passes/pass.h"
#include "graph/passes/quantized_nodes.h"

namespace halftone {
namespace {

bool is_codes(const Graph& graph, ValueId value) {
  const DType type = graph.value(value).type.dtype;
  return !graph.value(value).constant && (type == DType::u8 || type == DType::i8);
}

/// By value: the QuantizeLinear from which it comes, over operators that move integers; null where there is
/// none.
std::vector<const Node*> origins(const Graph& graph) {
  std::vector<const Node*> of(graph.values().size());
  for (const Node& node : graph.nodes()) {
    const Node* origin = nullptr;
    if (node.schema->name == "QuantizeLinear")
      origin = linear_codes(graph, node) ? &node : nullptr;
    else if (moves_numbers(node) && is_codes(graph, node.inputs[0]))
      origin = of[static_cast<size_t>(node.inputs[0])];
    for (ValueId output : node.outputs) of[static_cast<size_t>(output)] = origin;
  }
  return of;
}

/// Whether the code 0, with which a Pad fills that spells nothing out, stands for another number than 0.
bool fills_with_another_number(const Graph& graph, const Node& node, const CodeScale& codes) {
  const bool is_signed = graph.value(node.inputs[0]).type.dtype == DType::i8;
  return node.schema->name == "Pad" && node.attributes.get_string("mode", "constant") == "constant" &&
         (node.inputs.size() < 3 || node.inputs[2] == kNoValue) && codes.zero != (is_signed ? 128 : 0);
}

/// Nodes between codes and numbers under the scale and zero point of one QuantizeLinear.
class Lift {
 public:
  Lift(Graph& graph, const Node& move, const Node& quantize)
      : graph_(graph), move_(move), quantize_(quantize) {}

  std::vector<Node> nodes() {
    Node moved = move_;
    for (size_t i = 0; i < moved.inputs.size(); ++i)
      if (is_number(i)) moved.inputs[i] = numbers(moved.inputs[i], i);
    std::vector<Node> after;
    for (ValueId& output : moved.outputs) {
      const ValueId floats = graph_.add_value(graph_.value(output).name + "/numbers",
                                              {DType::f32, graph_.value(output).type.shape});
      after.push_back(node("QuantizeLinear", graph_.value(output).name + "/codes", floats, output));
      output = floats;
    }
    made_.push_back(std::move(moved));
    made_.insert(made_.end(), after.begin(), after.end());
    return std::move(made_);
  }

 private:
  /// Data, and what Pad fills with.
  bool is_number(size_t i) const {
    return move_.inputs[i] != kNoValue &&
           (carries_numbers(move_, i) || (move_.schema->name == "Pad" && i == 2));
  }
  ValueId numbers(ValueId codes, size_t i) {
    const std::string name = fmt::format("{}/numbers.{}", move_.name, i);
    const ValueId made = graph_.add_value(name, {DType::f32, graph_.value(codes).type.shape});
    made_.push_back(node("DequantizeLinear", name, codes, made));
    return made;
  }
  Node node(std::string_view op, const std::string& name, ValueId from, ValueId to) const {
    std::vector<ValueId> inputs = quantize_.inputs;
    inputs[0] = from;
    return {find_op(op), name, std::move(inputs), {to}, quantize_.attributes, {}};
  }

  Graph& graph_;
  const Node& move_;
  const Node quantize_;
  std::vector<Node> made_;
};

}  // namespace

/// An operator that moves codes of one QuantizeLinear (MaxPool of u8, ...) -> the same on numbers, between
/// DequantizeLinear and QuantizeLinear: one form of what moves between integer layers.
int lift_moves(Graph& graph) {
  const std::vector<const Node*> origin = origins(graph);
  const auto origin_of = [&](ValueId value) { return origin[static_cast<size_t>(value)]; };
  std::vector<Node> nodes;
  int changes = 0;
  for (const Node& node : graph.nodes()) {
    const bool moves =
        moves_numbers(node) && is_codes(graph, node.inputs[0]) && node.schema->name != "Resize" &&
        std::ranges::all_of(node.outputs, [&](ValueId output) { return is_codes(graph, output); });
    const Node* quantize = moves ? origin_of(node.inputs[0]) : nullptr;
    for (size_t i = 1; quantize && i < node.inputs.size(); ++i) {
      if (!carries_numbers(node, i)) continue;
      const Node* other = origin_of(node.inputs[i]);
      if (!other || linear_codes(graph, *other) != linear_codes(graph, *quantize)) quantize = nullptr;
    }
    if (quantize && fills_with_another_number(graph, node, *linear_codes(graph, *quantize)))
      quantize = nullptr;
    if (!quantize) {
      nodes.push_back(node);
      continue;
    }
    for (Node& part : Lift(graph, node, *quantize).nodes()) nodes.push_back(std::move(part));
    ++changes;
  }
  if (changes > 0) graph.nodes() = std::move(nodes);
  return changes;
}

}  // namespace halftone
