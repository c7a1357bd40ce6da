#include <algorithm>

#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

/// Gemm(Gather(x, constant indices), weights, bias): rows of x, each by itself.
struct GatheredProduct {
  size_t product, gather;  ///< nodes
  ValueId x;
  int64_t taken;  ///< of the entries of x
};

bool is_row(const Graph& graph, ValueId value) {
  const Shape& shape = graph.value(value).type.shape;
  return shape.rank() < 2 || (shape.rank() == 2 && shape[0] == 1);
}

std::optional<GatheredProduct> gathered_product(const Graph& graph, const UseMap& uses, size_t n) {
  const Node& node = graph.nodes()[n];
  if (node.schema->name != "Gemm" || !node.use_encodings.empty() ||
      node.attributes.get_int("transA", 0) != 0 || !graph.value(node.inputs[1]).constant)
    return std::nullopt;
  for (size_t i = 2; i < node.inputs.size(); ++i)
    if (node.inputs[i] != kNoValue &&
        (i > 2 || !graph.value(node.inputs[i]).constant || !is_row(graph, node.inputs[i])))
      return std::nullopt;
  const Node* gather = uses.made_by(node.inputs[0], "Gather");
  if (!gather || gather->attributes.get_int("axis", 0) != 0 || gather->attributes.has("to"))
    return std::nullopt;
  const Value &x = graph.value(gather->inputs[0]), &indices = graph.value(gather->inputs[1]);
  const Shape& shape = x.type.shape;
  if (x.constant || !indices.constant || shape.rank() < 3 || shape[0] < 0) return std::nullopt;
  return GatheredProduct{n, static_cast<size_t>(uses.maker(node.inputs[0])), gather->inputs[0],
                         indices.type.shape.elements()};
}

/// Whether both multiply entries of one x by the same weights.
bool are_alike(const Graph& graph, const GatheredProduct& one, const GatheredProduct& other) {
  const Node &a = graph.nodes()[one.product], &b = graph.nodes()[other.product];
  return one.x == other.x && a.attributes == b.attributes &&
         std::equal(a.inputs.begin() + 1, a.inputs.end(), b.inputs.begin() + 1, b.inputs.end());
}

}  // namespace

/// Gemms of one matrix, each of other entries of x (Gather along axis 0) -> one Gemm of x, and Gathers from
/// what it gives, where that takes no more than twice the rows: a recurrent layer written out step by step
/// reads its weights once, not in every step.
int merge_gathered_products(Graph& graph) {
  const UseMap uses(graph);
  std::vector<std::vector<GatheredProduct>> groups;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const auto product = gathered_product(graph, uses, n);
    if (!product) continue;
    auto group = std::ranges::find_if(
        groups, [&](const auto& products) { return are_alike(graph, products.front(), *product); });
    if (group == groups.end()) group = groups.insert(group, std::vector<GatheredProduct>());
    group->push_back(*product);
  }
  AddedNodes added(graph);
  int changes = 0;
  for (const auto& products : groups) {
    const ValueId x = products.front().x;
    int64_t taken = 0;
    for (const GatheredProduct& product : products) taken += product.taken;
    if (products.size() < 2 || 2 * taken < graph.value(x).type.shape[0]) continue;
    const Node first = graph.nodes()[products.front().product];
    std::vector<ValueId> inputs = first.inputs;
    inputs[0] = x;
    const ValueId all =
        added.before(products.front().gather, "Gemm", first.name + ".all", inputs, first.attributes);
    for (const GatheredProduct& product : products) {
      const Node gather = graph.nodes()[product.gather];
      Node& node = graph.nodes()[product.product];
      node.schema = gather.schema;
      node.inputs = {all, gather.inputs[1]};
      node.attributes = gather.attributes;
      ++changes;
    }
  }
  if (changes > 0) added.apply(std::vector<bool>(graph.nodes().size(), false));
  return changes;
}

}  // namespace halftone
