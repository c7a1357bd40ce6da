#include "quant/algo/int8_static/prepare_graph.h"

#include <map>
#include <utility>

#include "graph/code_operators.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"
#include "quant/algo/int8_static/channel_peaks.h"
#include "quant/algo/int8_static/part_outlier_units.h"
#include "quant/structure/input_groups.h"

namespace halftone {
namespace {

/// Constants beside activations come from an Identity: constants themselves have no codes.
int name_constants(Graph& graph) {
  int changes = 0;
  std::map<ValueId, ValueId> named;
  std::vector<Node> nodes = std::exchange(graph.nodes(), {});
  for (Node& node : nodes) {
    const std::string_view op = node.schema->name;
    const bool joins = op == "Add" || op == "Mul" || op == "Concat";
    for (size_t i = 0; joins && i < node.inputs.size(); ++i) {
      const Value& value = graph.value(node.inputs[i]);
      if (!value.constant || !is_float(value.type.dtype)) continue;
      auto [copy, fresh] = named.try_emplace(node.inputs[i], kNoValue);
      if (fresh)
        copy->second = graph.add_node(*find_op("Identity"), value.name + "/codes", {node.inputs[i]}).front();
      node.inputs[i] = copy->second;
      ++changes;
    }
    graph.nodes().push_back(std::move(node));
  }
  return changes;
}

/// The linear layer that alone reads y, or null.
Node* only_layer(Graph& graph, const UseMap& uses, ValueId y) {
  if (!uses.only_feeds_one(y)) return nullptr;
  for (Node& node : graph.nodes())
    if (!node.inputs.empty() && node.inputs[0] == y)
      return node.schema->name != "Conv" && layer_form(graph, node) ? &node : nullptr;
  return nullptr;
}

int split_gelus(Graph& graph) {
  int changes = 0;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    if (graph.nodes()[n].schema->name != "Gelu") continue;
    const UseMap uses(graph);
    const ValueId y = graph.nodes()[n].outputs[0];
    if (!only_layer(graph, uses, y)) continue;
    std::vector<Node> before = std::exchange(graph.nodes(), {});
    for (Node& node : before) {
      if (node.inputs.empty() || node.inputs[0] != y || !layer_form(graph, node)) {
        graph.nodes().push_back(std::move(node));
        continue;
      }
      // The layer itself reads the negative part, and keeps the bias and its output's name for the sum.
      const auto bound = [&](const char* name) {
        return add_pass_constant(graph, node.name + name, Constant(Tensor::from<float>({}, {0})));
      };
      const ValueId above =
          graph.add_node(*find_op("Clip"), node.name + "/above", {y, bound("/least")}).front();
      const ValueId below =
          graph.add_node(*find_op("Clip"), node.name + "/below", {y, kNoValue, bound("/most")}).front();
      const ValueId positive =
          graph.add_node(*node.schema, node.name + "/positive", {above, node.inputs[1]}, node.attributes)
              .front();
      std::vector<ValueId> inputs = node.inputs;
      inputs[0] = below;
      const ValueId negative =
          graph.add_node(*node.schema, node.name + "/negative", inputs, node.attributes).front();
      graph.nodes().push_back({find_op("Add"), node.name, {positive, negative}, node.outputs, {}, {}});
    }
    ++changes;
  }
  return changes;
}

}  // namespace

int prepare_static_graph(Graph& graph, const StaticActivations& recipe) {
  int changes = 0;
  if (recipe.twin_gelu) changes += split_gelus(graph);
  for (Node& node : graph.nodes()) {
    if (recipe.polynomial_gelu && node.schema->name == "Gelu") {
      node.attributes.set("approximate", std::string("polynomial"));
      ++changes;
    }
    if (recipe.log2_softmax && node.schema->name == "Attention") {
      node.attributes.set("softmax", std::string("log2"));
      ++changes;
    }
  }
  if (recipe.integer_only) changes += name_constants(graph);
  const bool computed = !recipe.integer_only && recipe.requantization == Requantization::floating;
  if (computed && !recipe.twin_gelu && !recipe.polynomial_gelu) changes += fuse_gemm_activation(graph);
  if (changes > 0) verify(graph);
  return changes;
}

std::vector<LayerNote> part_outliers(Graph& graph, const QuantizeOptions& options, int64_t minimum_elements) {
  const std::vector<ValueId> watched = hidden_units(graph);
  if (watched.empty()) return {};
  return part_outlier_units(graph, channel_peaks(graph, watched, options), minimum_elements);
}

}  // namespace halftone
