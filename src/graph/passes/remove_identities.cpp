#include <limits>

#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"
#include "graph/static_codes.h"
#include "ops/movement.h"

namespace halftone {
namespace {

/// Whether a Slice takes all of every axis, in order.
bool takes_all(const Graph& graph, const Node& node) {
  if (node.schema->name != "Slice" || node.inputs.size() < 3) return false;
  const OpSite site = graph.site(node);
  const auto starts = known_ints(site, 1), ends = known_ints(site, 2);
  const auto axes = known_ints(site, 3), steps = known_ints(site, 4);
  if (!starts || !ends || (site.has_input(3) && !axes) || (site.has_input(4) && !steps)) return false;
  const Shape& shape = graph.value(node.inputs[0]).type.shape;
  for (size_t i = 0; i < starts->size(); ++i) {
    const int64_t axis = axes ? (*axes)[i] : static_cast<int64_t>(i);
    const int64_t size = shape[static_cast<int>(axis < 0 ? axis + shape.rank() : axis)];
    const bool to_the_end =
        (*ends)[i] >= std::numeric_limits<int32_t>::max() || (size >= 0 && (*ends)[i] >= size);
    if ((*starts)[i] != 0 || (steps && (*steps)[i] != 1) || !to_the_end) return false;
  }
  return true;
}

}  // namespace

/// Identity(x), a Cast to the type that x has and a Slice of everything -> x, unless the graph gives it:
/// exporters leave them between layers that want to be one.
int remove_identities(Graph& graph) {
  const UseMap uses(graph);
  Replacements replaced(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  int changes = 0;
  for (size_t n = 0; n < gone.size(); ++n) {
    Node& node = graph.nodes()[n];
    replaced.apply(node);
    if (node.schema->name != "Identity" && node.schema->name != "Cast" && !takes_all(graph, node)) continue;
    if (!node.use_encodings.empty() || has_static_codes(node)) continue;
    const ValueId x = node.inputs[0], y = node.outputs[0];
    const Value &from = graph.value(x), &to = graph.value(y);
    if (uses.is_output(y) || from.type.dtype != to.type.dtype || !(from.storage == to.storage)) continue;
    replaced.add(y, x);
    gone[n] = true;
    ++changes;
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
