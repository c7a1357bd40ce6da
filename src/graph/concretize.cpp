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

/// Sizes of the graph's symbols as the shapes of its inputs tell them; unknown where none does.
std::vector<int64_t> symbol_sizes(const Graph& graph, std::span<const Shape> inputs) {
  std::vector<int64_t> sizes(graph.symbols().size(), Shape::kUnknownDim);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Shape& declared = graph.value(graph.inputs()[i]).type.shape;
    for (int axis = 0; axis < declared.rank(); ++axis)
      if (declared[axis] < Shape::kUnknownDim)
        sizes[static_cast<size_t>(Shape::dim_symbol(declared[axis]))] = inputs[i][axis];
  }
  return sizes;
}

Shape with_sizes(Shape shape, std::span<const int64_t> sizes) {
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (shape[axis] < Shape::kUnknownDim)
      shape[axis] = sizes[static_cast<size_t>(Shape::dim_symbol(shape[axis]))];
  return shape;
}

/// What inference asks of one node: its site with the types and values known so far. Symbols that attributes
/// brought (known_dims) have their sizes.
OpSite concrete_site(const Graph& graph, const Node& node, const ConcreteGraph& concrete,
                     std::span<const int64_t> sizes) {
  OpSite site = graph.site(node);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const auto id = static_cast<size_t>(node.inputs[i]);
    site.inputs[i].type = concrete.types[id];
    if (concrete.known[id].view().data) site.inputs[i].known = &concrete.known[id].view();
  }
  site.outputs = node.schema->infer(site);
  site.outputs.resize(node.outputs.size());
  for (ValueType& output : site.outputs) output.shape = with_sizes(output.shape, sizes);
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
  for (ValueId id : graph.inputs()) inputs.push_back(with_sizes(graph.value(id).type.shape, sizes));
  return concretize_inputs(graph, inputs);
}

ConcreteGraph concretize_inputs(const Graph& graph, std::span<const Shape> inputs) {
  ConcreteGraph concrete;
  for (const Value& value : graph.values()) concrete.types.push_back(value.type);
  concrete.known.resize(graph.values().size());
  for (size_t i = 0; i < inputs.size(); ++i)
    concrete.types[static_cast<size_t>(graph.inputs()[i])].shape = inputs[i];
  const std::vector<int64_t> sizes = symbol_sizes(graph, inputs);
  for (const Node& node : graph.nodes()) {
    OpSite site = concrete_site(graph, node, concrete, sizes);
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
