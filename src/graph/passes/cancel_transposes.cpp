#include <algorithm>

#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

std::vector<int64_t> permutation(const Graph& graph, const Node& node) {
  const int rank = graph.value(node.inputs[0]).type.shape.rank();
  std::vector<int64_t> reversed;
  for (int axis = rank; axis-- > 0;) reversed.push_back(axis);
  std::vector<int64_t> perm = node.attributes.get_ints("perm", reversed);
  for (int64_t& axis : perm)
    if (axis < 0) axis += rank;
  return perm;
}

bool is_identity(const std::vector<int64_t>& perm) {
  for (size_t i = 0; i < perm.size(); ++i)
    if (perm[i] != static_cast<int64_t>(i)) return false;
  return true;
}

/// Whether a Reshape leaves every axis as it is: all but one are known to, and so the last one is, too.
bool keeps_shape(const Graph& graph, const Node& node) {
  const Shape &before = graph.value(node.inputs[0]).type.shape,
              &after = graph.value(node.outputs[0]).type.shape;
  return before == after && std::count(before.begin(), before.end(), Shape::kUnknownDim) <= 1 &&
         std::count(before.begin(), before.end(), 0) == 0;
}

}  // namespace

/// A Transpose of a Transpose -> one; a Transpose or a Reshape that leaves every axis as it is -> nothing. A
/// Reshape of a Reshape reads the first one's input, when its shape says all.
int cancel_transposes(Graph& graph) {
  const UseMap uses(graph);
  PassConstants constants(graph);
  Replacements replaced(graph);
  int changes = 0;
  std::vector<bool> gone(graph.nodes().size(), false);
  for (size_t n = 0; n < gone.size(); ++n) {
    Node& node = graph.nodes()[n];
    replaced.apply(node);
    if (!node.use_encodings.empty()) continue;
    if (node.schema->name == "Reshape") {
      if (keeps_shape(graph, node) && !uses.is_output(node.outputs[0])) {
        replaced.add(node.outputs[0], node.inputs[0]);
        gone[n] = true;
        ++changes;
        continue;
      }
      const Node* first = uses.made_by(node.inputs[0], "Reshape");
      if (!first || !graph.value(node.outputs[0]).type.shape.is_concrete()) continue;
      const Shape shape = graph.value(node.outputs[0]).type.shape;
      node.inputs[0] = first->inputs[0];
      node.inputs[1] =
          constants.add(node.name + ".shape",
                        Constant(Tensor::from<int64_t>(
                            {shape.rank()}, std::span(shape.begin(), static_cast<size_t>(shape.rank())))));
      if (std::find(shape.begin(), shape.end(), 0) != shape.end())
        node.attributes.set("allowzero", int64_t{1});
      ++changes;
    }
    if (node.schema->name != "Transpose") continue;
    std::vector<int64_t> perm = permutation(graph, node);
    if (const Node* first = uses.made_by(node.inputs[0], "Transpose")) {
      const std::vector<int64_t> before = permutation(graph, *first);
      for (int64_t& axis : perm) axis = before[static_cast<size_t>(axis)];
      node.inputs[0] = first->inputs[0];
      node.attributes.set("perm", perm);
      ++changes;
    }
    if (!is_identity(perm) || uses.is_output(node.outputs[0])) continue;
    replaced.add(node.outputs[0], node.inputs[0]);
    gone[n] = true;
    ++changes;
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
