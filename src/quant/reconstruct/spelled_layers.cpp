#include "quant/reconstruct/spelled_layers.h"

#include <cmath>

#include "graph/passes/pattern.h"
#include "ops/conv/conv.h"
#include "ops/fused_activation.h"

namespace halftone {
namespace {

using Kind = FusedActivation::Kind;
constexpr size_t kResidual = 3;

bool has_residual(const Node& node) {
  return node.schema->name == "Conv" && node.inputs.size() > kResidual && node.inputs[kResidual] != kNoValue;
}

bool is_fused(const Node& node) {
  const bool layer = node.schema->name == "Conv" || node.schema->name == "Gemm";
  const bool gains = node.inputs.size() > kConvGains && node.inputs[kConvGains] != kNoValue;
  return layer && !gains && (node.attributes.has("activation") || has_residual(node));
}

/// Spells one node out; what stands last takes its place.
class Spelling {
 public:
  Spelling(Graph& graph, AddedNodes& added, PassConstants& constants, size_t position)
      : graph_(graph), added_(added), constants_(constants), position_(position) {}

  void run() {
    const Node layer = node();
    const FusedActivation activation = fused_activation(graph_.site(layer));
    Attributes plain;
    for (const auto& [key, value] : layer.attributes)
      if (key != "activation" && key != "activation_a" && key != "activation_b") plain.set(key, value);
    std::vector<ValueId> inputs = layer.inputs;
    inputs.resize(std::min(inputs.size(), kResidual));
    ValueId sum = added_.before(position_, layer.schema->name, layer.name + "/sum", inputs, plain);
    if (has_residual(layer)) sum = op("Add", {sum, layer.inputs[kResidual]});
    end(activation, sum);
  }

 private:
  Node& node() { return graph_.nodes()[position_]; }
  ValueId op(std::string_view name, std::vector<ValueId> inputs) {
    return added_.before(position_, name, node().name + "/" + std::string(name), std::move(inputs));
  }
  ValueId number(float x) {
    return constants_.add(node().name + "/number", Constant(Tensor::from<float>({}, {x})));
  }
  /// max(x - bound, 0); x itself above -infinity.
  ValueId above(ValueId x, float bound) { return op("Relu", {op("Sub", {x, number(bound)})}); }
  /// min(max(x, low), high)
  ValueId clipped(ValueId x, float low, float high) {
    ValueId y = std::isinf(low) ? x : op("Add", {above(x, low), number(low)});
    return std::isinf(high) ? y : op("Sub", {y, above(y, high)});
  }
  void last(std::string_view name, std::vector<ValueId> inputs, Attributes attributes = {}) {
    node() = {find_op(name), node().name, std::move(inputs), node().outputs, std::move(attributes), {}};
  }

  void end(const FusedActivation& activation, ValueId x) {
    switch (activation.kind) {
      case Kind::none:
        return last("Identity", {x});
      case Kind::relu:
        return last("Relu", {x});
      case Kind::clip:
        return last("Identity", {clipped(x, activation.a, activation.b)});
      case Kind::leaky_relu:
        return last("Sub",
                    {op("Relu", {x}), op("Mul", {op("Relu", {op("Neg", {x})}), number(activation.a)})});
      case Kind::sigmoid:
        return last("Sigmoid", {x});
      case Kind::silu:
        return last("Swish", {x});
      case Kind::hard_sigmoid:
        return last("Identity", {clipped(line(x, activation.a, activation.b), 0, 1)});
      case Kind::hard_swish:
        return last("Mul", {x, clipped(line(x, 1.0f / 6, 0.5f), 0, 1)});
      case Kind::tanh:
        return last("Tanh", {x});
      case Kind::gelu:
        return last("Gelu", {x});
      case Kind::gelu_tanh:
        return last("Gelu", {x}, {{"approximate", std::string("tanh")}});
    }
  }
  ValueId line(ValueId x, float a, float b) { return op("Add", {op("Mul", {x, number(a)}), number(b)}); }

  Graph& graph_;
  AddedNodes& added_;
  PassConstants& constants_;
  const size_t position_;
};

}  // namespace

int spell_out_layers(Graph& graph) {
  AddedNodes added(graph);
  PassConstants constants(graph);
  int spelled = 0;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    if (!is_fused(graph.nodes()[n])) continue;
    Spelling(graph, added, constants, n).run();
    ++spelled;
  }
  added.apply(std::vector<bool>(graph.nodes().size()));
  return spelled;
}

}  // namespace halftone
