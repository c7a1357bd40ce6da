#include <optional>

#include "core/short_floats.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"
#include "ops/elementwise.h"

namespace halftone {
namespace {

const std::vector<int64_t> kSwapHeads{0, 2, 1, 3};

std::vector<int64_t> permutation(const Node& node) {
  return node.attributes.get_ints("perm", {3, 2, 1, 0});
}

/// softmax(scale Q K^T + mask) V as exporters spell it out, all with four dimensions.
struct Found {
  ValueId q, k_turned, v, mask = kNoValue;
  float scale = 1;
  std::vector<ValueId> inner = {};  ///< values between, which nothing else reads
};

std::optional<Found> find_attention(const Graph& graph, const UseMap& uses, const Node& context) {
  const auto is_link = [&](ValueId value) { return uses.only_feeds_one(value); };
  const ValueId weights = context.inputs[0];
  const Node* softmax = uses.made_by(weights, "Softmax");
  if (!softmax || !is_link(weights) || graph.value(weights).type.shape.rank() != 4) return std::nullopt;
  const int64_t axis = softmax->attributes.get_int("axis", -1);
  if (axis != -1 && axis != 3) return std::nullopt;

  Found found{kNoValue, kNoValue, context.inputs[1]};
  ValueId scores = softmax->inputs[0];
  if (!is_link(scores)) return std::nullopt;
  found.inner = {weights};
  if (const Node* add = uses.made_by(scores, "Add")) {
    found.inner.push_back(scores);
    scores = add->inputs[0];
    found.mask = add->inputs[1];
    if (!is_link(scores) || !is_float(graph.value(found.mask).type.dtype) ||
        graph.value(found.mask).type.shape.rank() > 4 || graph.value(found.mask).type.shape.rank() < 1)
      return std::nullopt;
  }
  for (const char* op : {"Div", "Mul"})
    if (const Node* scaled = uses.made_by(scores, op)) {
      const auto number = scalar_constant(graph, scaled->inputs[1]);
      if (!number || *number == 0 || !is_link(scaled->inputs[0])) return std::nullopt;
      found.inner.push_back(scores);
      found.scale = std::string_view(op) == "Div" ? 1 / *number : *number;
      scores = scaled->inputs[0];
      break;
    }
  const Node* product = uses.made_by(scores, "MatMul");
  if (!product || !shapes_agree(graph.value(scores).type.shape, graph.value(weights).type.shape))
    return std::nullopt;
  found.inner.push_back(scores);
  found.q = product->inputs[0];
  found.k_turned = product->inputs[1];
  return found;
}

/// K as [batch, heads, length, dim], or kNoValue: by changing the Transpose that alone makes its transpose
/// for the scores.
ValueId untranspose(Graph& graph, const UseMap& uses, ValueId k_turned) {
  const Node* transpose = uses.made_by(k_turned, "Transpose");
  if (!transpose || !uses.only_feeds_one(k_turned)) return kNoValue;
  std::vector<int64_t> perm = permutation(*transpose);
  if (perm.size() != 4) return kNoValue;
  Node& node = graph.nodes()[static_cast<size_t>(uses.maker(k_turned))];
  std::swap(perm[2], perm[3]);
  node.attributes.set("perm", perm);
  Shape& shape = graph.value(k_turned).type.shape;
  std::swap(shape[2], shape[3]);
  return k_turned;
}

bool fits(const Graph& graph, const Found& found) {
  const Shape& q = graph.value(found.q).type.shape;
  const Shape& k = graph.value(found.k_turned).type.shape;  // [batch, heads, dim, length]
  const Shape& v = graph.value(found.v).type.shape;
  return q.rank() == 4 && k.rank() == 4 && v.rank() == 4 && q[0] == k[0] && k[0] == v[0] && q[1] == k[1] &&
         k[1] == v[1] && q[3] == k[2] && k[3] == v[2] && q[1] > 0 && q[3] > 0 && v[3] > 0;
}

/// The value [batch, length, heads * dim] that `heads` is a view of, or kNoValue.
ValueId packed(const Graph& graph, const UseMap& uses, ValueId heads) {
  const Node* transpose = uses.made_by(heads, "Transpose");
  if (!transpose || permutation(*transpose) != kSwapHeads) return kNoValue;
  const Node* reshape = uses.made_by(transpose->inputs[0], "Reshape");
  if (!reshape) return kNoValue;
  const Shape& parted = graph.value(reshape->outputs[0]).type.shape;
  const Shape& whole = graph.value(reshape->inputs[0]).type.shape;
  const bool same = whole.rank() == 3 && parted.rank() == 4 && whole[0] == parted[0] &&
                    whole[1] == parted[1] && whole[2] == parted[2] * parted[3];
  return same ? reshape->inputs[0] : kNoValue;
}

/// The one node that reads `value`, if it is that operator.
Node* only_reader(Graph& graph, const UseMap& uses, ValueId value, std::string_view op) {
  if (!uses.only_feeds_one(value)) return nullptr;
  const int reader = uses.first_reader(value);
  if (reader < 0) return nullptr;
  Node& node = graph.nodes()[static_cast<size_t>(reader)];
  return node.inputs[0] == value && node.schema->name == op && node.use_encodings.empty() ? &node : nullptr;
}

/// The whole of it over [batch, length, heads * dim], when Q, K, V and the result are all views of such
/// values.
bool make_packed(Graph& graph, const UseMap& uses, const Node& context, const Found& found,
                 std::vector<bool>& gone) {
  const ValueId q = packed(graph, uses, found.q), k = packed(graph, uses, found.k_turned),
                v = packed(graph, uses, found.v);
  Node* turned = only_reader(graph, uses, context.outputs[0], "Transpose");
  if (q == kNoValue || k == kNoValue || v == kNoValue || !turned || permutation(*turned) != kSwapHeads)
    return false;
  Node* merged = only_reader(graph, uses, turned->outputs[0], "Reshape");
  const Shape& heads = graph.value(context.outputs[0]).type.shape;
  if (!merged) return false;
  const Shape& out = graph.value(merged->outputs[0]).type.shape;
  if (out.rank() != 3 || out[0] != heads[0] || out[1] != heads[2] || out[2] != heads[1] * heads[3])
    return false;
  gone[static_cast<size_t>(turned - graph.nodes().data())] = true;
  gone[static_cast<size_t>(&context - graph.nodes().data())] = true;
  merged->schema = find_op("Attention");
  merged->inputs = {q, k, v};
  if (found.mask != kNoValue) merged->inputs.push_back(found.mask);
  merged->attributes = {{"scale", found.scale}, {"q_num_heads", heads[1]}, {"kv_num_heads", heads[1]}};
  return true;
}

}  // namespace

/// MatMul, scale, mask, Softmax, MatMul -> Attention; over [batch, length, heads * dim] where the heads were
/// only parted for it, so that no Transpose is left.
int recognise_attention(Graph& graph) {
  const UseMap uses(graph);
  std::vector<bool> gone(graph.nodes().size(), false);
  int changes = 0;
  for (Node& node : graph.nodes()) {
    if (node.schema->name != "MatMul" || !node.use_encodings.empty()) continue;
    auto found = find_attention(graph, uses, node);
    if (!found || !fits(graph, *found) || !is_f32_or_short(graph.value(node.outputs[0]).type.dtype)) continue;
    if (untranspose(graph, uses, found->k_turned) == kNoValue) continue;
    ++changes;
    for (ValueId inner : found->inner) gone[static_cast<size_t>(uses.maker(inner))] = true;
    if (make_packed(graph, uses, node, *found, gone)) continue;
    node.schema = find_op("Attention");
    node.inputs = {found->q, found->k_turned, found->v};
    if (found->mask != kNoValue) node.inputs.push_back(found->mask);
    node.attributes = {{"scale", found->scale}};
  }
  graph.remove_nodes(gone);
  return changes;
}

}  // namespace halftone
