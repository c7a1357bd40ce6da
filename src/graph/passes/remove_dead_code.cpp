#include "graph/passes/pass.h"

namespace halftone {

/// Removes nodes none of whose outputs is read, and constants that nobody reads any more.
int remove_dead_code(Graph& graph) {
  std::vector<bool> live(graph.values().size(), false);
  for (ValueId output : graph.outputs()) live[static_cast<size_t>(output)] = true;

  std::vector<bool> gone(graph.nodes().size(), true);
  int changes = 0;
  for (size_t n = gone.size(); n-- > 0;) {
    const Node& node = graph.nodes()[n];
    for (ValueId output : node.outputs)
      if (live[static_cast<size_t>(output)]) gone[n] = false;
    if (gone[n]) {
      ++changes;
      continue;
    }
    for (ValueId input : node.inputs)
      if (input != kNoValue) live[static_cast<size_t>(input)] = true;
  }
  graph.remove_nodes(gone);

  for (size_t id = 0; id < live.size(); ++id) {
    Value& value = graph.value(static_cast<ValueId>(id));
    if (live[id] || !value.constant) continue;
    value.constant.reset();
    ++changes;
  }
  return changes;
}

}  // namespace halftone
