#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"
#include "graph/static_codes.h"

namespace halftone {

/// Identity(x), and a Cast to the type that x has -> x, unless the graph gives it: exporters leave them
/// between layers that want to be one.
int remove_identities(Graph& graph) {
  const UseMap uses(graph);
  Replacements replaced(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  int changes = 0;
  for (size_t n = 0; n < gone.size(); ++n) {
    Node& node = graph.nodes()[n];
    replaced.apply(node);
    if (node.schema->name != "Identity" && node.schema->name != "Cast") continue;
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
