#include "graph/passes/moments.h"

#include "core/short_floats.h"

namespace halftone {

ValueId mean_of(const Graph& graph, const UseMap& uses, ValueId value) {
  const Node* mean = uses.made_by(value, "ReduceMean");
  if (!mean || mean->attributes.get_int("keepdims", 1) != 1) return kNoValue;
  std::vector<int64_t> axes = mean->attributes.get_ints("axes", {});
  if (mean->inputs.size() > 1 && mean->inputs[1] != kNoValue) {
    const auto& constant = graph.value(mean->inputs[1]).constant;
    if (!constant || constant->dtype() != DType::i64) return kNoValue;
    const Tensor tensor = constant->load();
    axes.assign(tensor.span<int64_t>().begin(), tensor.span<int64_t>().end());
  }
  const int rank = graph.value(mean->inputs[0]).type.shape.rank();
  return axes.size() == 1 && (axes[0] == -1 || axes[0] == rank - 1) ? mean->inputs[0] : kNoValue;
}

ValueId through_cast(const Graph& graph, const UseMap& uses, ValueId value) {
  const Node* cast = uses.made_by(value, "Cast");
  return cast && is_f32_or_short(graph.value(value).type.dtype) &&
                 is_f32_or_short(graph.value(cast->inputs[0]).type.dtype)
             ? cast->inputs[0]
             : value;
}

bool is_square_of(const Graph& graph, const UseMap& uses, ValueId value, ValueId x) {
  if (const Node* pow = uses.made_by(value, "Pow"))
    return through_cast(graph, uses, pow->inputs[0]) == x && is_scalar(graph, pow->inputs[1], 2);
  const Node* mul = uses.made_by(value, "Mul");
  return mul && through_cast(graph, uses, mul->inputs[0]) == x &&
         through_cast(graph, uses, mul->inputs[1]) == x;
}

ValueId row_constant(const Graph& graph, const Node& node, ValueId value, int64_t width) {
  for (size_t side : {size_t{0}, size_t{1}})
    if (node.inputs[side] == value && graph.value(node.inputs[1 - side]).constant &&
        graph.value(node.inputs[1 - side]).type.shape == Shape{width})
      return node.inputs[1 - side];
  return kNoValue;
}

}  // namespace halftone
