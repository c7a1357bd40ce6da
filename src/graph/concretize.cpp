#include "graph/concretize.h"

#include <algorithm>

#include "base/error.h"
#include "graph/evaluate.h"

namespace halftone {

namespace {

/// Values that steer shapes are short; longer ones are data.
constexpr int64_t kLongestKnown = 4096;

bool is_short(const ValueType& type) {
  const auto elements = type.shape.checked_elements();
  return elements && *elements <= kLongestKnown && type.dtype != DType::state;
}

/// Whether `site`'s outputs follow from what is known of its inputs. What only constants feed is left to
/// fold_constants().
bool is_computable(const OpSite& site) {
  bool any_known = false;
  for (const SiteInput& input : site.inputs) {
    if (!input.present) continue;
    const bool known = site.schema->of_shapes ? input.type.shape.is_concrete() : input.known != nullptr;
    if (!known && !(input.constant && !input.encoding && is_short(input.type))) return false;
    any_known |= known;
  }
  return any_known && std::all_of(site.outputs.begin(), site.outputs.end(), is_short);
}

std::vector<Tensor> inputs_at_hand(const OpSite& site) {
  std::vector<Tensor> inputs(site.inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    if (site.inputs[i].known)
      inputs[i] = Tensor::view_of(nullptr, *site.inputs[i].known);
    else if (site.inputs[i].constant && !site.schema->of_shapes)
      inputs[i] = site.inputs[i].constant->load();
  return inputs;
}

/// What inference asks of one node: its site with the types and values known so far.
OpSite concrete_site(const Graph& graph, const Node& node, const ConcreteGraph& concrete) {
  OpSite site = graph.site(node);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const auto id = static_cast<size_t>(node.inputs[i]);
    site.inputs[i].type = concrete.types[id];
    if (concrete.known[id].view().data) site.inputs[i].known = &concrete.known[id].view();
  }
  site.outputs = node.schema->infer(site);
  site.outputs.resize(node.outputs.size());
  return site;
}

}  // namespace

bool ConcreteGraph::is_complete() const {
  return std::all_of(sites.begin(), sites.end(), [](const OpSite& site) {
    return std::all_of(site.outputs.begin(), site.outputs.end(), [](const ValueType& type) {
      return type.dtype == DType::state || type.shape.is_concrete();
    });
  });
}

ConcreteGraph concretize(const Graph& graph, std::span<const int64_t> sizes) {
  std::vector<Shape> inputs;
  for (ValueId id : graph.inputs()) {
    Shape shape = graph.value(id).type.shape;
    for (int axis = 0; axis < shape.rank(); ++axis)
      if (shape[axis] < Shape::kUnknownDim)
        shape[axis] = sizes[static_cast<size_t>(Shape::dim_symbol(shape[axis]))];
    inputs.push_back(shape);
  }
  return concretize_inputs(graph, inputs);
}

ConcreteGraph concretize_inputs(const Graph& graph, std::span<const Shape> inputs) {
  ConcreteGraph concrete;
  for (const Value& value : graph.values()) concrete.types.push_back(value.type);
  concrete.known.resize(graph.values().size());
  for (size_t i = 0; i < inputs.size(); ++i)
    concrete.types[static_cast<size_t>(graph.inputs()[i])].shape = inputs[i];
  for (const Node& node : graph.nodes()) {
    OpSite site = concrete_site(graph, node, concrete);
    std::vector<Tensor> values(node.outputs.size());
    if (is_computable(site)) values = evaluate(site, inputs_at_hand(site));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      concrete.types[static_cast<size_t>(node.outputs[i])] = site.outputs[i];
      concrete.known[static_cast<size_t>(node.outputs[i])] = values[i];
    }
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
