#include "core/short_floats.h"
#include "graph/passes/find_attention.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

const std::vector<int64_t> kSwapHeads{0, 2, 1, 3};

bool swaps_heads(const Node& transpose) {
  return permutation_of(transpose, 4) == kSwapHeads;
}

/// Puts keys [batch, heads, length, dim] in the place of their transpose, which `node` alone makes.
void turn_keys_back(Graph& graph, Node& node) {
  std::vector<int64_t> perm = permutation_of(node, 4);
  std::swap(perm[2], perm[3]);
  node.attributes.set("perm", perm);
  Shape& shape = graph.value(node.outputs[0]).type.shape;
  std::swap(shape[2], shape[3]);
}

/// The value [batch, length, heads * dim] that `heads` is a view of, or kNoValue.
ValueId packed(const Graph& graph, const UseMap& uses, const KnownSizes& sizes, ValueId heads) {
  const Node* transpose = uses.made_by(heads, "Transpose");
  if (!transpose || !swaps_heads(*transpose)) return kNoValue;
  const Node* reshape = uses.made_by(transpose->inputs[0], "Reshape");
  if (!reshape) return kNoValue;
  const Shape& parted = graph.value(reshape->outputs[0]).type.shape;
  const Shape& whole = graph.value(reshape->inputs[0]).type.shape;
  if (whole.rank() != 3 || parted.rank() != 4 || whole[2] != parted[2] * parted[3]) return kNoValue;
  const auto keeps = [&](int axis) {
    return sizes.dim(reshape->inputs[0], axis) == sizes.dim(reshape->outputs[0], axis);
  };
  return keeps(0) && keeps(1) ? reshape->inputs[0] : kNoValue;
}

/// The one node that reads `value`, if it is that operator.
Node* only_reader(Graph& graph, const UseMap& uses, ValueId value, std::string_view op) {
  if (!uses.only_feeds_one(value)) return nullptr;
  const int reader = uses.first_reader(value);
  if (reader < 0) return nullptr;
  Node& node = graph.nodes()[static_cast<size_t>(reader)];
  return node.inputs[0] == value && node.schema->name == op && node.use_encodings.empty() ? &node : nullptr;
}

/// A value before what gives it more axes or repeats it along them.
ValueId before_widening(const UseMap& uses, ValueId value) {
  while (const Node* node = uses.made_by(value)) {
    if (node->schema->name != "Expand" && node->schema->name != "Unsqueeze") break;
    value = node->inputs[0];
  }
  return value;
}

/// Whether a mask is zeros whatever the sizes: what exporters leave of a mask of ones.
bool hides_nothing(const Graph& graph, const UseMap& uses, ValueId mask) {
  mask = before_widening(uses, mask);
  if (const Node* where = uses.made_by(mask, "Where")) {
    const auto& condition = graph.value(before_widening(uses, where->inputs[0])).constant;
    if (!condition || !is_scalar(graph, where->inputs[1], 0)) return false;
    const Tensor seen = condition->load();
    return std::ranges::all_of(seen.span<bool>(), [](bool one) { return one; });
  }
  const auto& constant = graph.value(mask).constant;
  if (!constant || constant->encoding() || constant->shape().elements() > (1 << 20)) return false;
  const Tensor addends = to_f32(constant->load());
  return std::ranges::all_of(addends.span<float>(), [](float one) { return one == 0; });
}

/// Whether a mask is 0 up to the diagonal and hides what is beyond: a constant of [length, length], or
/// Where(Trilu(ones) == 0, -infinity, 0).
bool is_causal(const Graph& graph, const UseMap& uses, ValueId mask, int64_t length) {
  if (const Node* where = uses.made_by(mask, "Where")) {
    const Node* beyond = uses.made_by(where->inputs[0], "Equal");
    const Node* triangle = beyond ? uses.made_by(beyond->inputs[0], "Trilu") : nullptr;
    const auto hidden = scalar_constant(graph, where->inputs[1]);
    return triangle && hidden && *hidden < kHidesScores && is_scalar(graph, where->inputs[2], 0) &&
           is_scalar(graph, beyond->inputs[1], 0) && triangle->attributes.get_int("upper", 1) == 0 &&
           (triangle->inputs.size() < 2 || triangle->inputs[1] == kNoValue) &&
           is_scalar(graph, before_widening(uses, triangle->inputs[0]), 1);
  }
  const Shape& shape = graph.value(mask).type.shape;
  if (!graph.value(mask).constant || length <= 0 || length > 4096 ||
      shape.checked_elements() != length * length || shape.back() != length)
    return false;
  const Tensor addends = float_constant(graph, mask);
  if (addends.empty()) return false;
  for (int64_t i = 0; i < length * length; ++i) {
    const float addend = addends.span<float>()[static_cast<size_t>(i)];
    if (i % length > i / length ? !(addend < kHidesScores) : addend != 0) return false;
  }
  return true;
}

class Rewriter {
 public:
  explicit Rewriter(Graph& graph)
      : graph_(graph),
        uses_(graph),
        sizes_(known_sizes(graph)),
        added_(graph),
        gone_(graph.nodes().size(), false) {}

  int run() {
    int changes = 0;
    for (size_t n = 0; n < gone_.size(); ++n) {
      Node& node = graph_.nodes()[n];
      if (node.schema->name != "MatMul" || !node.use_encodings.empty()) continue;
      const DType type = graph_.value(node.outputs[0]).type.dtype;
      const auto found = find_attention(graph_, uses_, sizes_, node);
      if (!found || !is_f32_or_short(type) || graph_.value(found->q).type.dtype != type) continue;
      rewrite(n, *found);
      ++changes;
    }
    added_.apply(gone_);
    if (changes > 0) infer_types(graph_);  // Attention may know more of its shape than the products did
    return changes;
  }

 private:
  void rewrite(size_t at, const FoundAttention& found) {
    Node& node = graph_.nodes()[at];
    if (found.turned_keys >= 0)
      turn_keys_back(graph_, graph_.nodes()[static_cast<size_t>(found.turned_keys)]);
    for (ValueId inner : found.inner) gone_[static_cast<size_t>(uses_.maker(inner))] = true;
    bool causal = false;
    const ValueId mask = mask_of(at, found, causal);
    Node* packed_node = make_packed(node, found);
    Node& attention = packed_node ? *packed_node : node;
    attention.schema = find_op("Attention");
    if (!packed_node) {
      attention.inputs = {found.q, found.k, found.v};
      attention.attributes = {};
    }
    attention.attributes.set("scale", found.scale);
    if (causal) attention.attributes.set("is_causal", int64_t{1});
    if (mask != kNoValue) attention.inputs.push_back(mask);
  }

  /// All masks as one addend, whose last axis is that of the keys; kNoValue where nothing is added. One that
  /// hides what comes later sets `causal` instead.
  ValueId mask_of(size_t at, const FoundAttention& found, bool& causal) {
    const std::string name = graph_.nodes()[at].name;
    const int64_t length = graph_.value(found.q).type.shape[2];
    ValueId all = kNoValue;
    for (const FoundAttention::Mask& mask : found.masks) {
      if (mask.addend != kNoValue && hides_nothing(graph_, uses_, mask.addend)) continue;
      if (mask.addend != kNoValue && is_causal(graph_, uses_, mask.addend, length)) {
        causal = true;
        continue;
      }
      ValueId addend = mask.addend;
      if (addend == kNoValue) addend = added_.before(at, "Where", name + ".mask", hidden_or_zero(mask, name));
      all = all == kNoValue ? addend : added_.before(at, "Add", name + ".masks", {all, addend});
    }
    const int64_t keys = graph_.value(found.k).type.shape[2];
    if (all == kNoValue || keys == 1) return all;
    const int64_t known = graph_.value(all).type.shape.back();
    if (known == keys && known != Shape::kUnknownDim) return all;
    // Attention takes a mask of fewer keys for one that hides the rest; an Add repeats a single one.
    const ValueId row =
        keys > 0 ? add_pass_constant(graph_, name + ".keys", Constant(Tensor::from<int64_t>({1}, {keys})))
                 : added_.before(at, "Shape", name + ".keys", {found.k},
                                 {{"start", int64_t{2}}, {"end", int64_t{3}}});
    return added_.before(at, "Expand", name + ".mask", {all, row});
  }

  std::vector<ValueId> hidden_or_zero(const FoundAttention::Mask& mask, const std::string& name) {
    const DType type = graph_.value(mask.hidden).type.dtype;
    Tensor number = Tensor::allocate(type, {});
    const float none = 0;
    store_floats({&none, 1}, number.mutable_view(), 0);
    const ValueId zero = add_pass_constant(graph_, name + ".seen", Constant(number));
    return mask.inverted ? std::vector<ValueId>{mask.where, zero, mask.hidden}
                         : std::vector<ValueId>{mask.where, mask.hidden, zero};
  }

  /// The node that is to do it over [batch, length, heads * dim], when Q, K, V and the result are all views
  /// of such values; or null.
  Node* make_packed(const Node& context, const FoundAttention& found) {
    const ValueId q = packed(graph_, uses_, sizes_, found.q), k = packed(graph_, uses_, sizes_, found.k),
                  v = packed(graph_, uses_, sizes_, found.v);
    Node* turned = only_reader(graph_, uses_, context.outputs[0], "Transpose");
    if (q == kNoValue || k == kNoValue || v == kNoValue || !turned || !swaps_heads(*turned)) return nullptr;
    Node* merged = only_reader(graph_, uses_, turned->outputs[0], "Reshape");
    if (!merged) return nullptr;
    const Shape& heads = graph_.value(context.outputs[0]).type.shape;
    const Shape& out = graph_.value(merged->outputs[0]).type.shape;
    const auto keeps = [&](int of_heads, int axis) {
      return sizes_.dim(context.outputs[0], of_heads) == sizes_.dim(merged->outputs[0], axis);
    };
    if (out.rank() != 3 || !keeps(0, 0) || !keeps(2, 1) || out[2] != heads[1] * heads[3]) return nullptr;
    gone_[static_cast<size_t>(turned - graph_.nodes().data())] = true;
    gone_[static_cast<size_t>(&context - graph_.nodes().data())] = true;
    merged->inputs = {q, k, v};
    merged->attributes = {{"q_num_heads", heads[1]}, {"kv_num_heads", graph_.value(found.k).type.shape[1]}};
    return merged;
  }

  Graph& graph_;
  const UseMap uses_;
  const KnownSizes sizes_;
  AddedNodes added_;
  std::vector<bool> gone_;
};

}  // namespace

/// MatMul, scale, masks, Softmax, MatMul -> Attention (find_attention.h says in which forms); over [batch,
/// length, heads * dim] where the heads were only parted for it, so that no Transpose is left.
int recognise_attention(Graph& graph) {
  return Rewriter(graph).run();
}

}  // namespace halftone
