#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

/// Whether `gate` has one number for each channel of values as x: [N, C, 1, ...].
bool gates_channels(const Graph& graph, ValueId gate, ValueId x) {
  const ValueType &one = graph.value(gate).type, &all = graph.value(x).type;
  if (one.dtype != DType::f32 || all.dtype != DType::f32 || one.shape.rank() != all.shape.rank() ||
      one.shape.rank() < 3 || one.shape[0] != all.shape[0] || one.shape[1] != all.shape[1])
    return false;
  for (int axis = 2; axis < one.shape.rank(); ++axis)
    if (one.shape[axis] != 1) return false;
  return one.shape != all.shape;
}

/// The gate where `node`, an Add, is x + x * gate with x as its input `side`; else kNoValue.
ValueId gate_of(const Graph& graph, const UseMap& uses, const Node& node, size_t side) {
  const ValueId x = node.inputs[side], product = node.inputs[1 - side];
  const Node* mul = uses.made_by(product, "Mul");
  if (!mul || !uses.only_feeds_one(product)) return kNoValue;
  for (size_t factor : {size_t{0}, size_t{1}}) {
    const ValueId gate = mul->inputs[1 - factor];
    if (mul->inputs[factor] == x && !graph.value(gate).constant && gates_channels(graph, gate, x))
      return gate;
  }
  return kNoValue;
}

}  // namespace

/// x + x * gate, a gate with one number for each channel -> x * (1 + gate): x is read once, not twice.
int factor_gates(Graph& graph) {
  const UseMap uses(graph);
  PassConstants constants(graph);
  AddedNodes added(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  ValueId one = kNoValue;
  int changes = 0;
  for (size_t n = 0; n < gone.size(); ++n) {
    if (graph.nodes()[n].schema->name != "Add" || !graph.nodes()[n].use_encodings.empty()) continue;
    for (size_t side : {size_t{0}, size_t{1}}) {
      const Node node = graph.nodes()[n];
      const ValueId gate = gate_of(graph, uses, node, side);
      if (gate == kNoValue) continue;
      if (one == kNoValue) one = constants.add("one", Constant(Tensor::from<float>({}, {1.0f})));
      gone[static_cast<size_t>(uses.maker(node.inputs[1 - side]))] = true;
      const ValueId raised = added.before(n, "Add", node.name + ".gate", {gate, one});
      Node& product = graph.nodes()[n];
      product.schema = find_op("Mul");
      product.inputs = {node.inputs[side], raised};
      ++changes;
      break;
    }
  }
  if (changes > 0) added.apply(gone);
  return changes;
}

}  // namespace halftone
