#include <algorithm>

#include "graph/evaluate.h"
#include "graph/passes/known_sizes.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

/// Results larger than this stay computed at run time, so that folding does not blow up the model (a
/// broadcast table, say).
constexpr int64_t kLargestFold = int64_t{1} << 24;

/// What folding may take in all: results are kept, and references are slow. In proportion to the model, with
/// room for small ones, so that a small file cannot ask for much.
class Budget {
 public:
  explicit Budget(const Graph& graph) {
    for (const Value& value : graph.values())
      if (value.constant) bytes_ += 2 * value.constant->stored_bytes();
    flops_ += 8 * bytes_;
  }

  /// Takes a node's share, or none where that is more than is left.
  bool grant(const OpSite& site) {
    double bytes = 0;
    for (const ValueType& output : site.outputs)
      bytes += static_cast<double>(output.shape.elements()) * static_cast<double>(dtype_bytes(output.dtype));
    const double flops = site.schema->alias ? 0 : site.schema->cost(site).flops;
    if (bytes > bytes_ || flops > flops_) return false;
    bytes_ -= bytes;
    flops_ -= flops;
    return true;
  }

 private:
  double bytes_ = 256e6;
  double flops_ = 4e9;
};

bool is_input_at_hand(const Graph& graph, const Node& node, ValueId input) {
  if (input == kNoValue) return true;
  const Value& value = graph.value(input);
  if (node.schema->of_shapes) return value.type.shape.is_concrete();
  return value.constant && !value.constant->encoding();
}

bool is_foldable(const Graph& graph, const Node& node) {
  if (node.inputs.empty()) return false;
  for (ValueId input : node.inputs)
    if (!is_input_at_hand(graph, node, input)) return false;
  return std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) {
    auto elements = graph.value(output).type.shape.checked_elements();
    return elements && *elements <= kLargestFold && graph.value(output).type.dtype != DType::state;
  });
}

void fold(Graph& graph, const Node& node) {
  std::vector<Tensor> inputs;
  for (ValueId input : node.inputs)
    inputs.push_back(input == kNoValue || node.schema->of_shapes ? Tensor()
                                                                 : graph.value(input).constant->load());
  const std::vector<Tensor> outputs = evaluate(graph.site(node), inputs);
  for (size_t i = 0; i < outputs.size(); ++i) graph.value(node.outputs[i]).constant = Constant(outputs[i]);
}

/// Values that became constants tell shape rules more than they knew.
void refine_types(Graph& graph, const Node& node) {
  const std::vector<ValueType> types = node.schema->infer(graph.site(node));
  for (size_t i = 0; i < node.outputs.size(); ++i) graph.value(node.outputs[i]).type = types[i];
}

/// Whether all elements that a node makes are numbers, which it then gets as its result.
bool fold_sizes(Graph& graph, const Node& node, const KnownSizes& sizes) {
  const KnownSizes::Terms* terms = node.outputs.size() == 1 ? sizes.of(node.outputs[0]) : nullptr;
  if (!terms) return false;
  Value& value = graph.value(node.outputs[0]);
  Tensor tensor = Tensor::allocate(value.type.dtype, value.type.shape);
  for (size_t i = 0; i < terms->size(); ++i) {
    const auto& term = (*terms)[i];
    if (!term || !term->is_number()) return false;
    if (value.type.dtype == DType::i64)
      tensor.mutable_view().span<int64_t>()[i] = term->number;
    else
      tensor.mutable_view().span<int32_t>()[i] = static_cast<int32_t>(term->number);
  }
  value.constant = Constant(tensor);
  return true;
}

/// The shape that a Reshape asks for where it follows from sizes, in constants: 0 where an axis keeps its
/// size, -1 for one more that is open.
std::optional<std::vector<int64_t>> reshape_target(const Graph& graph, const Node& node,
                                                   const KnownSizes::Terms& terms, const KnownSizes& sizes) {
  const int rank = graph.value(node.inputs[0]).type.shape.rank();
  std::vector<int64_t> target;
  for (const auto& term : terms) {
    const auto axis = static_cast<int>(target.size());
    if (term && *term == SizeTerm{0}) return std::nullopt;  // nothing to divide by for an axis of -1
    if (term && term->is_number())
      target.push_back(term->number);
    else if (term && axis < rank && *term == sizes.dim(node.inputs[0], axis))
      target.push_back(0);
    else
      target.push_back(-1);
  }
  if (std::count(target.begin(), target.end(), -1) > 1) return std::nullopt;
  return target;
}

/// The same of an Expand: 1 where an axis keeps its size.
std::optional<std::vector<int64_t>> expand_target(const Graph& graph, const Node& node,
                                                  const KnownSizes::Terms& terms, const KnownSizes& sizes) {
  const int missing = static_cast<int>(terms.size()) - graph.value(node.inputs[0]).type.shape.rank();
  std::vector<int64_t> target;
  for (const auto& term : terms) {
    const int axis = static_cast<int>(target.size()) - missing;
    if (!term) return std::nullopt;
    if (term->is_number())
      target.push_back(term->number);
    else if (axis >= 0 && *term == sizes.dim(node.inputs[0], axis))
      target.push_back(1);
    else
      return std::nullopt;
  }
  return target;
}

/// What is known ahead of a computed shape, for attribute known_dims; empty where nothing is.
std::vector<int64_t> known_dims(const Graph& graph, const Node& node, const KnownSizes::Terms& terms) {
  const Shape& input = graph.value(node.inputs[0]).type.shape;
  std::vector<int64_t> dims;
  for (const auto& term : terms) {
    const auto axis = static_cast<int>(dims.size());
    int64_t dim = Shape::kUnknownDim;
    if (term && term->is_number())
      dim = term->number != 0 ? term->number : axis < input.rank() ? input[axis] : Shape::kUnknownDim;
    else if (term && term->number == 1 && term->symbols.size() == 1 &&
             KnownSizes::is_of_graph(term->symbols[0]))
      dim = term->symbols[0];
    dims.push_back(dim);
  }
  const bool none = std::ranges::all_of(dims, [](int64_t dim) { return dim == Shape::kUnknownDim; });
  return none ? std::vector<int64_t>() : dims;
}

std::optional<std::vector<int64_t>> constant_target(const Graph& graph, const Node& node,
                                                    const KnownSizes& sizes) {
  const bool reshape = node.schema->name == "Reshape";
  if ((!reshape && node.schema->name != "Expand") || graph.value(node.inputs[1]).constant)
    return std::nullopt;
  const KnownSizes::Terms* terms = sizes.of(node.inputs[1]);
  if (!terms) return std::nullopt;
  return reshape ? reshape_target(graph, node, *terms, sizes) : expand_target(graph, node, *terms, sizes);
}

/// Whether more is known of the shape that a node asks for than it says.
bool learn_dims(const Graph& graph, Node& node, const KnownSizes& sizes) {
  const std::string_view op = node.schema->name;
  if ((op != "Reshape" && op != "Expand") || graph.value(node.inputs[1]).constant) return false;
  const KnownSizes::Terms* terms = sizes.of(node.inputs[1]);
  if (!terms || (op == "Reshape" && node.attributes.get_int("allowzero", 0) != 0 &&
                 std::ranges::count(*terms, std::optional(SizeTerm{0})) > 0))
    return false;
  std::vector<int64_t> dims = known_dims(graph, node, *terms);
  if (dims.empty() || dims == node.attributes.get_ints("known_dims", {})) return false;
  node.attributes.set("known_dims", std::move(dims));
  return true;
}

/// By value: whether a layer rounds it as its activation, which a constant is not.
std::vector<bool> rounded_values(const Graph& graph) {
  std::vector<bool> rounded(graph.values().size());
  for (const Node& node : graph.nodes())
    for (size_t i = 0; i < node.use_encodings.size(); ++i)
      if (node.use_encodings[i] && node.inputs[i] != kNoValue)
        rounded[static_cast<size_t>(node.inputs[i])] = true;
  return rounded;
}

}  // namespace

/// Replaces nodes whose inputs are all plain constants, those that ask for shapes that are known, and what
/// follows from the known ones among open sizes, by their results; a Reshape or an Expand to a computed shape
/// asks for a constant one where that says the same, and notes what is known of it elsewhere. What would take
/// far more memory or work than the model's size suggests stays to be run.
int fold_constants(Graph& graph) {
  int changes = 0;
  Budget budget(graph);
  KnownSizes sizes(graph);
  PassConstants constants(graph);
  const std::vector<bool> rounded = rounded_values(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  for (size_t n = 0; n < gone.size(); ++n) {
    Node& node = graph.nodes()[n];
    if (const auto target = constant_target(graph, node, sizes)) {
      const Shape length{static_cast<int64_t>(target->size())};
      node.inputs[1] = constants.add(node.name + ".shape", Constant(Tensor::from<int64_t>(length, *target)));
      if (node.schema->name == "Reshape") node.attributes.set("allowzero", int64_t{0});
      ++changes;
    } else if (learn_dims(graph, node, sizes)) {
      ++changes;
    }
    if (changes > 0) refine_types(graph, node);
    sizes.visit(node);
    if (std::ranges::any_of(node.outputs,
                            [&](ValueId output) { return rounded[static_cast<size_t>(output)]; }))
      continue;
    const bool folds = is_foldable(graph, node) && budget.grant(graph.site(node));
    if (folds) fold(graph, node);
    if (!folds && !fold_sizes(graph, node, sizes)) continue;
    gone[n] = true;
    ++changes;
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
