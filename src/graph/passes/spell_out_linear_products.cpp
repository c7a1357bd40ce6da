#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

/// Where QLinearConv and QLinearMatMul have their inputs.
enum Input : size_t { kX, kXScale, kXZero, kW, kWScale, kWZero, kYScale, kYZero, kBias };

bool is_constant(const Graph& graph, const Node& node, size_t input) {
  return input >= node.inputs.size() || node.inputs[input] == kNoValue ||
         graph.value(node.inputs[input]).constant;
}

/// Whether everything but x is known.
bool is_ready(const Graph& graph, const Node& node) {
  for (size_t i = kXScale; i <= kBias; ++i)
    if (!is_constant(graph, node, i)) return false;
  for (size_t scale : {kXScale, kWScale, kYScale})
    if (graph.value(node.inputs[scale]).type.dtype != DType::f32) return false;
  return scalar_constant(graph, node.inputs[kXScale]) && scalar_constant(graph, node.inputs[kYScale]) &&
         graph.value(node.inputs[kWScale]).type.shape.rank() <= 1 && !graph.value(node.inputs[kX]).constant;
}

/// Nodes in the place of one.
class Spelling {
 public:
  Spelling(Graph& graph, PassConstants& constants, const Node& node)
      : graph_(graph), constants_(constants), node_(node) {}

  ValueId add(std::string_view op, const char* part, std::vector<ValueId> inputs, Attributes attributes,
              const Shape& shape) {
    const ValueId made = graph_.add_value(fmt::format("{}/{}", node_.name, part), {DType::f32, shape});
    add(op, part, std::move(inputs), std::move(attributes), made);
    return made;
  }
  void add(std::string_view op, const char* part, std::vector<ValueId> inputs, Attributes attributes,
           ValueId output) {
    nodes.push_back({find_op(op),
                     fmt::format("{}/{}", node_.name, part),
                     std::move(inputs),
                     {output},
                     std::move(attributes),
                     {}});
  }
  /// A constant of B's: x_scale times each of w_scale.
  ValueId bias_scale(int64_t channels) {
    const float x = *scalar_constant(graph_, node_.inputs[kXScale]);
    const Tensor w = float_constant(graph_, node_.inputs[kWScale]);
    std::vector<float> scales(static_cast<size_t>(channels));
    for (size_t i = 0; i < scales.size(); ++i)
      scales[i] = x * w.span<float>()[w.shape().elements() == 1 ? 0 : i];
    return constants_.add(node_.name + "/bias_scale", Constant(Tensor::from<float>({channels}, scales)));
  }

  std::vector<Node> nodes;

 private:
  Graph& graph_;
  PassConstants& constants_;
  const Node& node_;
};

std::vector<Node> spelled(Graph& graph, PassConstants& constants, const Node& node) {
  Spelling to(graph, constants, node);
  const bool conv = node.schema->name == "QLinearConv";
  const Shape w_shape = graph.value(node.inputs[kW]).type.shape,
              y_shape = graph.value(node.outputs[0]).type.shape;
  const auto at = [&](size_t input) { return node.inputs[input]; };
  std::vector<ValueId> inputs = {
      to.add("DequantizeLinear", "x", {at(kX), at(kXScale), at(kXZero)}, {}, graph.value(at(kX)).type.shape),
      to.add("DequantizeLinear", "w", {at(kW), at(kWScale), at(kWZero)},
             {{"axis", conv ? int64_t{0} : int64_t{w_shape.rank() - 1}}}, w_shape)};
  if (node.inputs.size() > kBias && at(kBias) != kNoValue)
    inputs.push_back(to.add("DequantizeLinear", "bias", {at(kBias), to.bias_scale(w_shape[0])},
                            {{"axis", int64_t{0}}}, graph.value(at(kBias)).type.shape));
  const ValueId sum = to.add(conv ? "Conv" : "MatMul", "sum", inputs, node.attributes, y_shape);
  to.add("QuantizeLinear", "y", {sum, at(kYScale), at(kYZero)}, {}, node.outputs[0]);
  return std::move(to.nodes);
}

}  // namespace

/// QLinearConv and QLinearMatMul of constant weights, scales and zero points -> DequantizeLinear, Conv or
/// MatMul, QuantizeLinear: one form of integer layers.
int spell_out_linear_products(Graph& graph) {
  int changes = 0;
  const auto wanted = [&](const Node& node) {
    return (node.schema->name == "QLinearConv" || node.schema->name == "QLinearMatMul") &&
           is_ready(graph, node);
  };
  PassConstants constants(graph);
  std::vector<Node> nodes;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node node = graph.nodes()[n];
    if (!wanted(node)) {
      nodes.push_back(node);
      continue;
    }
    for (Node& part : spelled(graph, constants, node)) nodes.push_back(std::move(part));
    ++changes;
  }
  if (changes > 0) graph.nodes() = std::move(nodes);
  return changes;
}

}  // namespace halftone
