#include "cost/graph_cost.h"

#include "graph/concretize.h"

namespace halftone {

GraphCost graph_cost(const Graph& graph, const std::map<std::string, int64_t>& symbol_sizes) {
  GraphCost cost;
  for (const OpSite& site : concretize(graph, symbol_sizes).sites) {
    const Cost node = site.is_alias() ? Cost{} : site.schema->cost(site);
    cost.nodes.push_back(node);
    cost.total.flops += node.flops;
    cost.total.weight_bytes += node.weight_bytes;
    cost.total.activation_bytes += node.activation_bytes;
    cost.total.state_bytes += node.state_bytes;
  }
  return cost;
}

std::map<std::string, WeightSize> weights_by_encoding(const Graph& graph) {
  std::vector<bool> table(graph.values().size(), false);
  for (const Node& node : graph.nodes()) {
    if (node.schema->name != "RotaryEmbedding") continue;
    for (size_t i = 1; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue) table[static_cast<size_t>(node.inputs[i])] = true;
  }
  std::map<std::string, WeightSize> sizes;
  for (size_t id = 0; id < graph.values().size(); ++id) {
    const auto& constant = graph.values()[id].constant;
    if (!constant || table[id] || !is_float(constant->dtype())) continue;
    WeightSize& size = sizes[constant->encoding() ? constant->encoding()->str()
                                                  : std::string(dtype_name(constant->dtype()))];
    size.bytes += constant->stored_bytes();
    size.elements += static_cast<double>(constant->shape().elements());
  }
  return sizes;
}

WeightSize weight_size(const Graph& graph) {
  WeightSize all;
  for (const auto& [encoding, size] : weights_by_encoding(graph)) {
    all.bytes += size.bytes;
    all.elements += size.elements;
  }
  return all;
}

}  // namespace halftone
