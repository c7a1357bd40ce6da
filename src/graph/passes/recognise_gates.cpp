#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"
#include "graph/static_codes.h"

namespace halftone {

/// Mul(x, Sigmoid(x)) where all three values are codes -> Swish(x) on codes that rounds the gate in between
/// as the Sigmoid did (attributes gate_scale and gate_zero): one table of 256 in place of two passes over
/// memory. Files of other quantizers have such pairs between.
int recognise_gates(Graph& graph) {
  const UseMap uses(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  int changes = 0;
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "Mul" || !codes_out(node, 0)) continue;
    for (size_t side : {size_t{0}, size_t{1}}) {
      const ValueId x = node.inputs[side], gate = node.inputs[1 - side];
      const Node* sigmoid = uses.made_by(gate, "Sigmoid");
      if (!sigmoid || sigmoid->inputs[0] != x || !uses.only_feeds_one(gate)) continue;
      const auto in = codes_in(node, side), between = codes_in(node, 1 - side);
      if (!in || !between || codes_in(*sigmoid, 0) != in || codes_out(*sigmoid, 0) != between) continue;
      const CodeScale out = *codes_out(node, 0);
      gone[static_cast<size_t>(uses.maker(gate))] = true;
      node.schema = find_op("Swish");
      node.inputs = {x};
      node.attributes = {{"gate_scale", between->scale}, {"gate_zero", int64_t{between->zero}}};
      set_codes_in(node, 0, *in);
      set_codes_out(node, 0, out);
      ++changes;
      break;
    }
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
