#include <algorithm>
#include <cmath>

#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

bool is_index(DType type) {
  return type == DType::i32 || type == DType::i64;
}

/// How many numbers a constant [1, ..., n] of 0, 1, ... n - 1 has; 0 where it is none.
int64_t counted(const Graph& graph, ValueId value) {
  const auto& constant = graph.value(value).constant;
  if (!constant || !is_index(constant->dtype()) || constant->shape().rank() < 1) return 0;
  const int64_t n = constant->shape().back();
  if (constant->shape().checked_elements() != n) return 0;
  const Tensor numbers = constant->load();
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    if ((numbers.dtype() == DType::i32 ? numbers.span<int32_t>()[at] : numbers.span<int64_t>()[at]) != i)
      return 0;
  }
  return n;
}

/// Cast(Equal(index, 0 ... classes - 1)): a row of zeros with a one at each index, or of zeros alone.
struct OneHot {
  ValueId index = kNoValue;  ///< its last dimension is 1
  int64_t classes = 0;
};

OneHot one_hot_of(const Graph& graph, const UseMap& uses, ValueId value) {
  const Node* cast = uses.made_by(value, "Cast");
  const Node* equal = cast ? uses.made_by(cast->inputs[0], "Equal") : nullptr;
  if (!equal || graph.value(value).type.dtype != DType::f32) return {};
  for (size_t side : {size_t{0}, size_t{1}}) {
    const ValueId index = equal->inputs[side];
    const int64_t classes = counted(graph, equal->inputs[1 - side]);
    if (classes == 0 || graph.value(index).constant) continue;
    Shape rows = graph.value(index).type.shape;
    if (rows.rank() < 2 || rows.back() != 1) continue;
    rows[rows.rank() - 1] = classes;
    if (rows == graph.value(value).type.shape) return {index, classes};
  }
  return {};
}

/// Rows [classes + 2, outputs] of a Gemm: what it gives of each one-hot row, and in the first and the last of
/// a row of zeros. Empty where that cannot be told ahead.
Tensor table_of(const Graph& graph, const Node& node, int64_t classes) {
  const bool turned = node.attributes.get_int("transB", 0) != 0;
  if (node.attributes.get_int("transA", 0) != 0 || node.attributes.get_float("alpha", 1) != 1 ||
      node.attributes.get_float("beta", 1) != 1 || node.attributes.has("activation"))
    return {};
  const Tensor weights = float_constant(graph, node.inputs[1]);
  if (weights.empty() || weights.shape()[turned ? 1 : 0] != classes ||
      !std::ranges::all_of(weights.span<float>(), [](float w) { return std::isfinite(w); }))
    return {};
  const int64_t outputs = weights.shape()[turned ? 0 : 1];
  std::vector<float> bias(static_cast<size_t>(outputs), 0.0f);
  if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
    const Tensor given = float_constant(graph, node.inputs[2]);
    if (given.empty() || given.shape().elements() != outputs || given.shape().back() != outputs) return {};
    std::ranges::copy(given.span<float>(), bias.begin());
  }
  Tensor table = Tensor::allocate(DType::f32, {classes + 2, outputs});
  float* to = table.mutable_view().span<float>().data();
  const float* from = weights.span<float>().data();
  for (int64_t row = 0; row < classes + 2; ++row)
    for (int64_t n = 0; n < outputs; ++n) {
      const int64_t k = row - 1;
      const bool hot = k >= 0 && k < classes;
      *to++ = bias[static_cast<size_t>(n)] + (hot ? from[turned ? n * classes + k : k * outputs + n] : 0.0f);
    }
  return table;
}

Constant integer(DType type, int64_t number) {
  return Constant(type == DType::i32 ? Tensor::from<int32_t>({}, {static_cast<int32_t>(number)})
                                     : Tensor::from<int64_t>({}, {number}));
}

}  // namespace

/// A Gemm of one-hot rows, Cast(Equal(index, 0 ... n - 1)) -> Gather from its weights: rows are read, not
/// multiplied by zeros. An index that is no class meets a row without weights.
int recognise_one_hot(Graph& graph) {
  const UseMap uses(graph);
  PassConstants constants(graph);
  AddedNodes added(graph);
  int changes = 0;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node node = graph.nodes()[n];
    if (node.schema->name != "Gemm" || !node.use_encodings.empty() || node.inputs.size() > 3) continue;
    const OneHot rows = one_hot_of(graph, uses, node.inputs[0]);
    if (rows.index == kNoValue || graph.value(node.outputs[0]).type.dtype != DType::f32) continue;
    const Tensor table = table_of(graph, node, rows.classes);
    if (table.empty()) continue;
    const ValueType index = graph.value(rows.index).type;  // values are added below
    const auto number = [&](const char* name, int64_t value) {
      return constants.add(node.name + name, integer(index.dtype, value));
    };
    const ValueId clipped =
        added.before(n, "Clip", node.name + ".class",
                     {rows.index, number(".none_before", -1), number(".none_behind", rows.classes)});
    const ValueId shifted = added.before(n, "Add", node.name + ".row", {clipped, number(".one", 1)});
    const ValueId axis = constants.add(
        node.name + ".axis", Constant(Tensor::from<int64_t>({1}, {int64_t{index.shape.rank() - 1}})));
    const ValueId squeezed = added.before(n, "Squeeze", node.name + ".rows", {shifted, axis});
    Node& gather = graph.nodes()[n];
    gather.schema = find_op("Gather");
    gather.inputs = {constants.add(node.name + ".table", Constant(table)), squeezed};
    gather.attributes = {{"axis", int64_t{0}}};
    ++changes;
  }
  if (changes > 0) added.apply(std::vector<bool>(graph.nodes().size(), false));
  return changes;
}

}  // namespace halftone
