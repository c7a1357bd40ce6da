#include "graph/concretize.h"

#include "base/error.h"

namespace halftone {

ConcreteGraph concretize(const Graph& graph, std::span<const int64_t> sizes) {
  ConcreteGraph concrete;
  for (const Value& value : graph.values()) concrete.types.push_back(value.type);
  for (ValueId id : graph.inputs()) {
    Shape& shape = concrete.types[static_cast<size_t>(id)].shape;
    for (int axis = 0; axis < shape.rank(); ++axis)
      if (shape[axis] < Shape::kUnknownDim)
        shape[axis] = sizes[static_cast<size_t>(Shape::dim_symbol(shape[axis]))];
  }
  for (const Node& node : graph.nodes()) {
    OpSite site = graph.site(node);
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue)
        site.inputs[i].type = concrete.types[static_cast<size_t>(node.inputs[i])];
    site.outputs = node.schema->infer(site);
    for (size_t i = 0; i < node.outputs.size(); ++i)
      concrete.types[static_cast<size_t>(node.outputs[i])] = site.outputs[i];
    concrete.sites.push_back(std::move(site));
  }
  return concrete;
}

ConcreteGraph concretize(const Graph& graph, const std::map<std::string, int64_t>& sizes) {
  std::vector<int64_t> in_order;
  for (const Symbol& symbol : graph.symbols()) {
    const auto found = sizes.find(symbol.name);
    if (found == sizes.end()) throw UsageError("the size of \"{}\" is not given", symbol.name);
    in_order.push_back(found->second);
  }
  return concretize(graph, in_order);
}

}  // namespace halftone
