#include <optional>

#include "core/short_floats.h"
#include "graph/passes/moments.h"
#include "graph/passes/pass.h"

namespace halftone {
namespace {

struct Found {
  ValueId x;
  float epsilon;
};

/// The mean that sqrt(mean + epsilon) is made of.
std::optional<Found> find_deviation(const Graph& graph, const UseMap& uses, ValueId value) {
  const Node* root = uses.made_by(value, "Sqrt");
  const Node* sum = root ? uses.made_by(root->inputs[0], "Add") : nullptr;
  if (!sum) return std::nullopt;
  for (size_t side : {size_t{1}, size_t{0}}) {
    const auto epsilon = scalar_constant(graph, sum->inputs[side]);
    const ValueId squares = mean_of(graph, uses, sum->inputs[1 - side]);
    if (epsilon && squares != kNoValue) return Found{squares, *epsilon};
  }
  return std::nullopt;
}

/// sqrt(mean(x^2) + epsilon), when `value` is its inverse.
std::optional<Found> find_inverse(const Graph& graph, const UseMap& uses, ValueId value) {
  if (const Node* reciprocal = uses.made_by(value, "Reciprocal"))
    return find_deviation(graph, uses, reciprocal->inputs[0]);
  const Node* div = uses.made_by(value, "Div");
  if (!div || !is_scalar(graph, div->inputs[0], 1)) return std::nullopt;
  return find_deviation(graph, uses, div->inputs[1]);
}

/// x / sqrt(mean(x^2) + epsilon); `x` is what is cast where there are Casts.
std::optional<Found> find_normalised(const Graph& graph, const UseMap& uses, ValueId value) {
  const auto made_of = [&](const std::optional<Found>& found, ValueId x) -> std::optional<Found> {
    const ValueId source = through_cast(graph, uses, x);
    if (!found || !is_square_of(graph, uses, found->x, source)) return std::nullopt;
    return Found{source, found->epsilon};
  };
  if (const Node* div = uses.made_by(value, "Div"))
    return made_of(find_deviation(graph, uses, div->inputs[1]), div->inputs[0]);
  const Node* mul = uses.made_by(value, "Mul");
  for (size_t side : {size_t{0}, size_t{1}})
    if (mul)
      if (auto found = made_of(find_inverse(graph, uses, mul->inputs[side]), mul->inputs[1 - side]))
        return found;
  return std::nullopt;
}

}  // namespace

/// Pow, ReduceMean, Add, Sqrt, Reciprocal, Mul, Mul -> RMSNormalization over the last axis, with Casts to f32
/// and back between them too.
int recognise_rms_normalization(Graph& graph) {
  const UseMap uses(graph);
  int changes = 0;
  for (Node& node : graph.nodes()) {
    const ValueType& type = graph.value(node.outputs.empty() ? 0 : node.outputs[0]).type;
    if (node.schema->name != "Mul" || !node.use_encodings.empty() || !is_f32_or_short(type.dtype) ||
        type.shape.rank() == 0)
      continue;
    for (size_t side : {size_t{0}, size_t{1}}) {
      const ValueId scale = row_constant(graph, node, node.inputs[side], type.shape.back());
      const auto found = scale == kNoValue
                             ? std::nullopt
                             : find_normalised(graph, uses, through_cast(graph, uses, node.inputs[side]));
      if (!found || !(graph.value(found->x).type == type)) continue;
      node.schema = find_op("RMSNormalization");
      node.inputs = {found->x, scale};
      node.attributes = {{"axis", int64_t{-1}}, {"epsilon", found->epsilon}};
      ++changes;
      break;
    }
  }
  return changes;
}

}  // namespace halftone
