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

/// (x - mean) / sqrt(mean of its squares + epsilon).
std::optional<Found> find_normalised(const Graph& graph, const UseMap& uses, const Node& div) {
  const Node* off = uses.made_by(through_cast(graph, uses, div.inputs[0]), "Sub");
  const Node* root = uses.made_by(div.inputs[1], "Sqrt");
  const Node* sum = root ? uses.made_by(root->inputs[0], "Add") : nullptr;
  if (!off || !sum || mean_of(graph, uses, off->inputs[1]) != off->inputs[0]) return std::nullopt;
  const auto epsilon = scalar_constant(graph, sum->inputs[1]);
  const ValueId square = mean_of(graph, uses, sum->inputs[0]);
  if (!epsilon || square == kNoValue || !is_square_of(graph, uses, square, off->outputs[0]))
    return std::nullopt;
  return Found{through_cast(graph, uses, off->inputs[0]), *epsilon};
}

}  // namespace

/// ReduceMean, Sub, Pow, ReduceMean, Add, Sqrt, Div, Mul, Add -> LayerNormalization over the last axis, with
/// Casts to f32 and back between them too.
int recognise_layer_normalization(Graph& graph) {
  const UseMap uses(graph);
  int changes = 0;
  // From the back, so that the Add of a shift is met before the Mul by the scale that it takes along.
  for (size_t n = graph.nodes().size(); n-- > 0;) {
    Node& node = graph.nodes()[n];
    if (node.schema->name != "Mul" && node.schema->name != "Add") continue;
    if (!node.use_encodings.empty() || !is_f32_or_short(graph.value(node.outputs[0]).type.dtype)) continue;
    const int64_t width = graph.value(node.outputs[0]).type.shape.rank() > 0
                              ? graph.value(node.outputs[0]).type.shape.back()
                              : -1;
    const bool is_add = node.schema->name == "Add";
    for (size_t side : {size_t{0}, size_t{1}}) {
      const ValueId inner = node.inputs[side];
      const Node* mul = is_add ? uses.made_by(inner, "Mul") : &node;
      if (!mul || (is_add && !uses.only_feeds_one(inner))) continue;
      const ValueId shift = is_add ? row_constant(graph, node, inner, width) : kNoValue;
      if (is_add && shift == kNoValue) continue;
      std::optional<Found> found;
      ValueId scale = kNoValue;
      for (size_t factor : {size_t{0}, size_t{1}}) {
        const Node* div = uses.made_by(through_cast(graph, uses, mul->inputs[factor]), "Div");
        if (!div) continue;
        found = find_normalised(graph, uses, *div);
        scale = row_constant(graph, *mul, mul->inputs[factor], width);
        if (found && scale != kNoValue) break;
      }
      if (!found || scale == kNoValue || !(graph.value(found->x).type == graph.value(node.outputs[0]).type))
        continue;
      node.schema = find_op("LayerNormalization");
      node.inputs = {found->x, scale};
      if (shift != kNoValue) node.inputs.push_back(shift);
      node.attributes = {{"axis", int64_t{-1}}, {"epsilon", found->epsilon}};
      ++changes;
      break;
    }
  }
  return changes;
}

}  // namespace halftone
