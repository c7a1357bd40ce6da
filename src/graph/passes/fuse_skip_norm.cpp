#include "graph/passes/known_sizes.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {

/// RMSNormalization(Add(x, skip)) -> SkipRMSNormalization(x, skip), which hands out the sum too: the residual
/// stream is read once in place of twice.
int fuse_skip_norm(Graph& graph) {
  const OpSchema* skip_norm = find_op("SkipRMSNormalization");
  const UseMap uses(graph);
  const KnownSizes sizes = known_sizes(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  int changes = 0;
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "RMSNormalization" || !node.use_encodings.empty()) continue;
    const ValueId sum = node.inputs[0];
    if (!uses.is_made_by(sum, "Add")) continue;
    const size_t maker = static_cast<size_t>(uses.maker(sum));
    const Node& add = graph.nodes()[maker];
    const Shape& shape = graph.value(sum).type.shape;
    const bool last_axis = shape.normalize_axis(node.attributes.get_int("axis", -1)) == shape.rank() - 1;
    const auto is_alike = [&](ValueId addend) {
      return graph.value(addend).type == graph.value(sum).type && sizes.are_alike(addend, sum);
    };
    const bool alike = is_alike(add.inputs[0]) && is_alike(add.inputs[1]);
    // The sum moves to where the norm stands, so nothing may read it earlier.
    const bool read_earlier = uses.read_by(sum) != &node;
    if (gone[maker] || !add.use_encodings.empty() || !last_axis || !alike || read_earlier) continue;

    node.inputs = {add.inputs[0], add.inputs[1], node.inputs[1]};
    node.outputs.push_back(sum);
    node.schema = skip_norm;
    gone[maker] = true;
    ++changes;
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
