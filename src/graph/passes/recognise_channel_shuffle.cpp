#include <algorithm>

#include "graph/passes/known_sizes.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

/// Groups of the shuffle, or 0: [N, C, ...] as [N, groups, C / groups, ...] with its axes 1 and 2 exchanged.
/// One unknown axis follows from the others.
int64_t shuffle_groups(const Shape& whole, const Shape& split, const std::vector<int64_t>& perm) {
  if (whole.rank() < 3 || split.rank() != whole.rank() + 1 || whole[1] < 0 || split[1] <= 1 ||
      split[2] <= 1 || split[1] * split[2] != whole[1] || split[0] != whole[0])
    return 0;
  for (int a = 2; a < whole.rank(); ++a)
    if (split[a + 1] != whole[a]) return 0;
  std::vector<int64_t> exchanged{0, 2, 1};
  for (int a = 3; a < split.rank(); ++a) exchanged.push_back(a);
  return perm == exchanged ? split[1] : 0;
}

/// Whether what is parted and what is merged again have the batch and the places of the whole.
bool keeps_places(const KnownSizes& sizes, const Graph& graph, const Node& split, const Node& merged) {
  const ValueId whole = split.inputs[0], parts = split.outputs[0];
  for (int axis = 0; axis < graph.value(whole).type.shape.rank(); ++axis)
    if (axis != 1 && sizes.dim(parts, axis == 0 ? 0 : axis + 1) != sizes.dim(whole, axis)) return false;
  return sizes.are_alike(whole, merged.outputs[0]);
}

}  // namespace

/// Reshape, Transpose, Reshape that shuffle channels between groups (ShuffleNet) -> Gather along the
/// channels, which needs no certain order of the bytes.
int recognise_channel_shuffle(Graph& graph) {
  const UseMap uses(graph);
  const KnownSizes sizes = known_sizes(graph);
  PassConstants constants(graph);
  int changes = 0;
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "Reshape" || !node.use_encodings.empty()) continue;
    const Node* transpose = uses.made_by(node.inputs[0], "Transpose");
    const Node* split = transpose ? uses.made_by(transpose->inputs[0], "Reshape") : nullptr;
    if (!split || !uses.only_feeds_one(node.inputs[0]) || !uses.only_feeds_one(transpose->inputs[0]))
      continue;
    const ValueType& whole = graph.value(split->inputs[0]).type;
    if (!(whole == graph.value(node.outputs[0]).type)) continue;
    const auto unknown = std::ranges::count(whole.shape, Shape::kUnknownDim);
    if (unknown > 1 && !keeps_places(sizes, graph, *split, node)) continue;
    const int64_t groups = shuffle_groups(whole.shape, graph.value(split->outputs[0]).type.shape,
                                          transpose->attributes.get_ints("perm", {}));
    if (groups == 0) continue;
    const int64_t channels = whole.shape[1];
    std::vector<int64_t> from;
    for (int64_t c = 0; c < channels; ++c) from.push_back(c % groups * (channels / groups) + c / groups);
    const ValueId x = split->inputs[0];
    node.schema = find_op("Gather");
    node.inputs = {x,
                   constants.add(node.name + ".channels", Constant(Tensor::from<int64_t>({channels}, from)))};
    node.attributes = {{"axis", int64_t{1}}};
    ++changes;
  }
  return changes;
}

}  // namespace halftone
