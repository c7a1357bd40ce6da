#include "graph/passes/find_attention.h"

#include <cmath>

#include "core/short_floats.h"
#include "ops/elementwise.h"

namespace halftone {
namespace {

const std::vector<int64_t> kTurnedLast{0, 1, 3, 2}, kTurnedMatrix{0, 2, 1};
constexpr int kTurnedAxes[] = {0, 1, 3, 2};

class Finder {
 public:
  Finder(const Graph& graph, const UseMap& uses, const KnownSizes& sizes)
      : graph_(graph), uses_(uses), sizes_(sizes) {}

  std::optional<FoundAttention> find(const Node& context) {
    const Node* softmax = softmax_of(context.inputs[0]);
    if (!softmax || shape(softmax->outputs[0]).rank() != 4) return std::nullopt;
    const int64_t axis = softmax->attributes.get_int("axis", -1);
    if (axis != -1 && axis != 3) return std::nullopt;
    const Node* product = product_of(softmax->inputs[0]);
    if (!product || !shapes_agree(shape(product->outputs[0]), shape(softmax->outputs[0])))
      return std::nullopt;
    found_.q = without_scale(product->inputs[0]);
    const ValueId turned = product->inputs[1], unscaled = without_scale(turned);
    if (!find_keys(unscaled)) return std::nullopt;
    if (found_.turned_keys >= 0 && turned != unscaled) {
      if (!is_link(turned)) return std::nullopt;
      found_.inner.push_back(turned);
    }
    found_.v = context.inputs[1];
    share_heads();
    if (!fits()) return std::nullopt;
    return found_;
  }

 private:
  const Shape& shape(ValueId value) const { return graph_.value(value).type.shape; }
  bool is_link(ValueId value) const { return uses_.only_feeds_one(value); }
  bool is_float_value(ValueId value) const { return is_f32_or_short(graph_.value(value).type.dtype); }

  /// What a Cast between floats casts, which then goes with the rest; any other value itself.
  ValueId through_cast(ValueId value) {
    const Node* cast = uses_.made_by(value, "Cast");
    if (!cast || !is_link(value) || !is_float_value(value) || !is_float_value(cast->inputs[0])) return value;
    found_.inner.push_back(value);
    return cast->inputs[0];
  }

  const Node* softmax_of(ValueId weights) {
    weights = through_cast(weights);
    const Node* kept = uses_.made_by(weights, "Where");
    const Node* nan = kept ? uses_.made_by(kept->inputs[0], "IsNaN") : nullptr;
    if (nan) {
      const ValueId probabilities = kept->inputs[2];
      if (nan->inputs[0] != probabilities || !is_scalar(graph_, kept->inputs[1], 0) || !is_link(weights) ||
          !is_link(kept->inputs[0]) || uses_.uses(probabilities) != 2)
        return nullptr;
      found_.inner.insert(found_.inner.end(), {weights, kept->inputs[0]});
      weights = probabilities;
    } else if (!is_link(weights)) {
      return nullptr;
    }
    found_.inner.push_back(weights);
    return uses_.made_by(weights, "Softmax");
  }

  /// The product of Q and K behind masks and, before those, a scale.
  const Node* product_of(ValueId scores) {
    for (int depth = 0; depth < 8; ++depth) {
      scores = through_cast(scores);
      if (!is_link(scores)) return nullptr;
      const ValueId inner = scores;
      const Node* node = uses_.made_by(scores);
      if (!node || !node->use_encodings.empty()) return nullptr;
      if (node->schema->name == "MatMul") {
        found_.inner.push_back(inner);
        return node;
      }
      if (const ValueId whole = scaled(*node); whole != kNoValue) {
        scores = whole;
        may_mask_ = false;
      } else if (!may_mask_ || !take_mask(*node, scores)) {
        return nullptr;
      }
      found_.inner.push_back(inner);
    }
    return nullptr;
  }

  /// Of an Add or a Where: its mask, and the scores.
  bool take_mask(const Node& node, ValueId& scores) {
    if (node.schema->name == "Add") {
      for (size_t side : {size_t{0}, size_t{1}})
        if (leads_to_scores(node.inputs[side]) && is_mask(node.inputs[1 - side])) {
          scores = node.inputs[side];
          found_.masks.push_back({node.inputs[1 - side], kNoValue, kNoValue, false});
          return true;
        }
      return false;
    }
    if (node.schema->name != "Where") return false;
    for (size_t side : {size_t{1}, size_t{2}}) {
      const auto hidden = scalar_constant(graph_, node.inputs[3 - side]);
      if (!hidden || !(*hidden < kHidesScores) || !leads_to_scores(node.inputs[side])) continue;
      if (shape(node.inputs[0]).rank() > 4 || shape(node.inputs[0]).rank() < 1) return false;
      scores = node.inputs[side];
      found_.masks.push_back({kNoValue, node.inputs[0], node.inputs[3 - side], side == 1});
      return true;
    }
    return false;
  }

  bool is_mask(ValueId value) const {
    return is_float(graph_.value(value).type.dtype) && shape(value).rank() >= 1 && shape(value).rank() <= 4;
  }

  /// Whether scores may stand behind `value`: a MatMul is not far.
  bool leads_to_scores(ValueId value) const {
    for (int depth = 0; depth < 6; ++depth) {
      const Node* node = uses_.made_by(value);
      if (!node || node->inputs.empty()) return false;
      const std::string_view op = node->schema->name;
      if (op == "MatMul") return true;
      if (op == "Where")
        value = scalar_constant(graph_, node->inputs[1]) ? node->inputs[2] : node->inputs[1];
      else if (op == "Cast" || op == "Div")
        value = node->inputs[0];
      else if (op == "Add" || op == "Mul")
        value = graph_.value(node->inputs[0]).constant || !uses_.made_by(node->inputs[0]) ||
                        (op == "Add" && !leads_to_scores(node->inputs[0]))
                    ? node->inputs[1]
                    : node->inputs[0];
      else
        return false;
    }
    return false;
  }

  /// The other operand of a product with (or a quotient by) one number, which is a part of the scale then.
  ValueId scaled(const Node& node) {
    const bool div = node.schema->name == "Div";
    if ((!div && node.schema->name != "Mul") || !node.use_encodings.empty()) return kNoValue;
    for (size_t side : {size_t{1}, size_t{0}}) {
      const auto number = scalar_constant(graph_, node.inputs[side]);
      const ValueId other = node.inputs[1 - side];
      if (!number || *number == 0 || (div && side == 0) ||
          !(graph_.value(other).type == graph_.value(node.outputs[0]).type))
        continue;
      found_.scale *= div ? 1 / *number : *number;
      return other;
    }
    return kNoValue;
  }

  ValueId without_scale(ValueId value) {
    const Node* node = uses_.made_by(value);
    const ValueId whole = node ? scaled(*node) : kNoValue;
    return whole == kNoValue ? value : whole;
  }

  bool find_keys(ValueId turned) {
    if (shape(turned).rank() != 4) return false;
    if (const Node* transpose = uses_.made_by(turned, "Transpose")) {
      const std::vector<int64_t> perm = permutation_of(*transpose, 4);
      if (perm == kTurnedLast) {
        found_.k = transpose->inputs[0];
        return true;
      }
      if (!is_link(turned)) return false;
      found_.k = turned;
      found_.turned_keys = uses_.maker(turned);
      return true;
    }
    const Node* parted = uses_.made_by(turned, "Reshape");
    const Node* transpose = parted ? uses_.made_by(parted->inputs[0], "Transpose") : nullptr;
    const Node* merged = transpose ? uses_.made_by(transpose->inputs[0], "Reshape") : nullptr;
    if (!merged || shape(parted->inputs[0]).rank() != 3 || permutation_of(*transpose, 3) != kTurnedMatrix)
      return false;
    const ValueId keys = merged->inputs[0];
    if (shape(keys).rank() != 4 || shape(transpose->inputs[0]).rank() != 3) return false;
    const bool by_shapes = keeps(keys, 2, transpose->inputs[0], 1) &&
                           keeps(keys, 3, transpose->inputs[0], 2) && keeps(keys, 1, turned, 1) &&
                           keeps(keys, 2, turned, 3) && keeps(keys, 3, turned, 2);
    if (!by_shapes && !(merges_heads(*merged) && sizes_.are_dims(parted->inputs[1], keys, kTurnedAxes)))
      return false;
    found_.k = merged->inputs[0];
    return true;
  }

  bool keeps(ValueId from, int axis, ValueId to, int place) const {
    return same(shape(from)[axis], shape(to)[place]);
  }
  /// Whether a Reshape asks for -1 and the last two of four dimensions.
  bool merges_heads(const Node& reshape) const {
    const KnownSizes::Terms* terms = sizes_.of(reshape.inputs[1]);
    return terms && terms->size() == 3 && (*terms)[0] == SizeTerm{-1} &&
           (*terms)[1] == sizes_.dim(reshape.inputs[0], 2) && (*terms)[2] == sizes_.dim(reshape.inputs[0], 3);
  }

  static bool same(int64_t a, int64_t b) { return a == b && a != Shape::kUnknownDim; }

  /// [batch, heads, length, dim] that was repeated to `heads` times as many, or kNoValue.
  ValueId before_repeats(ValueId value) const {
    const Node* merged = uses_.made_by(value, "Reshape");
    const Node* expand = merged ? uses_.made_by(merged->inputs[0], "Expand") : nullptr;
    const Node* parted = expand ? uses_.made_by(expand->inputs[0]) : nullptr;
    if (!parted || (parted->schema->name != "Unsqueeze" && parted->schema->name != "Reshape"))
      return kNoValue;
    const Shape &few = shape(parted->inputs[0]), &one = shape(expand->inputs[0]),
                &repeated = shape(expand->outputs[0]), &all = shape(value);
    if (few.rank() != 4 || one.rank() != 5 || repeated.rank() != 5 || all.rank() != 4) return kNoValue;
    const bool unsqueezed = few[1] == one[1] && one[2] == 1 && same(few[2], one[3]) && same(few[3], one[4]);
    const bool repeats =
        one[1] == repeated[1] && repeated[2] > 0 && same(one[3], repeated[3]) && same(one[4], repeated[4]);
    const bool merges = all[1] > 0 && all[1] == few[1] * repeated[2] && same(all[2], few[2]) &&
                        same(all[3], few[3]) && dims_agree(all[0], few[0]);
    return unsqueezed && repeats && merges ? parted->inputs[0] : kNoValue;
  }

  /// Keys and values that were repeated for several heads of queries are read as they were.
  void share_heads() {
    const ValueId k = found_.turned_keys < 0 ? before_repeats(found_.k) : kNoValue;
    const ValueId v = before_repeats(found_.v);
    if (k == kNoValue || v == kNoValue || shape(k)[1] != shape(v)[1]) return;
    found_.k = k;
    found_.v = v;
  }

  bool fits() const {
    const Shape &q = shape(found_.q), &v = shape(found_.v);
    Shape k = shape(found_.k);
    if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4) return false;
    const DType type = graph_.value(found_.q).type.dtype;
    if (type != graph_.value(found_.k).type.dtype || type != graph_.value(found_.v).type.dtype) return false;
    if (found_.turned_keys >= 0) std::swap(k[2], k[3]);
    const auto same_batch = [&](ValueId a, ValueId b) { return sizes_.dim(a, 0) == sizes_.dim(b, 0); };
    return same_batch(found_.q, found_.k) && same_batch(found_.k, found_.v) && k[1] == v[1] && q[3] == k[3] &&
           k[2] == v[2] && k[1] > 0 && q[1] > 0 && q[1] % k[1] == 0 && q[3] > 0 && v[3] > 0;
  }

  const Graph& graph_;
  const UseMap& uses_;
  const KnownSizes& sizes_;
  FoundAttention found_;
  bool may_mask_ = true;
};

}  // namespace

std::vector<int64_t> permutation_of(const Node& transpose, int rank) {
  std::vector<int64_t> reversed;
  for (int axis = rank; axis-- > 0;) reversed.push_back(axis);
  return transpose.attributes.get_ints("perm", reversed);
}

std::optional<FoundAttention> find_attention(const Graph& graph, const UseMap& uses, const KnownSizes& sizes,
                                             const Node& context) {
  return Finder(graph, uses, sizes).find(context);
}

}  // namespace halftone
