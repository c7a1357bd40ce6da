#include <algorithm>
#include <numeric>
#include <optional>

#include "core/short_floats.h"
#include "graph/passes/known_sizes.h"
#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

/// What PyTorch writes for a group normalization, as far as the Reshape back to x's shape.
struct Found {
  ValueId x;
  int64_t groups;
  Tensor scale, shift;  ///< [groups]
  float epsilon;
};

/// Whether a Reshape gives a value of x's shape, be it open: the elements are as many, so that one unknown
/// dimension follows from the others.
bool is_back_to(const Graph& graph, const KnownSizes& sizes, const Node& reshape, ValueId x) {
  const Shape& shape = graph.value(x).type.shape;
  if (graph.value(reshape.outputs[0]).type.shape == shape &&
      std::count(shape.begin(), shape.end(), Shape::kUnknownDim) <= 1)
    return true;
  std::vector<int> axes(static_cast<size_t>(shape.rank()));
  std::iota(axes.begin(), axes.end(), 0);
  return sizes.are_dims(reshape.inputs[1], x, axes);
}

std::optional<Found> find_grouped(const Graph& graph, const UseMap& uses, const KnownSizes& sizes,
                                  const Node* back) {
  const Node* norm = back ? uses.made_by(back->inputs[0], "InstanceNormalization") : nullptr;
  const Node* there = norm ? uses.made_by(norm->inputs[0], "Reshape") : nullptr;
  if (!there || !uses.only_feeds_one(norm->outputs[0])) return std::nullopt;
  const ValueType& x = graph.value(there->inputs[0]).type;
  const Shape& grouped = graph.value(norm->inputs[0]).type.shape;
  if (!is_back_to(graph, sizes, *back, there->inputs[0]) || !is_f32_or_short(x.dtype)) return std::nullopt;
  if (x.shape.rank() < 3 || grouped[0] != x.shape[0] || x.shape[0] == Shape::kUnknownDim) return std::nullopt;
  if (grouped[1] <= 0 || x.shape[1] <= 0 || x.shape[1] % grouped[1] != 0) return std::nullopt;
  Found found{there->inputs[0], grouped[1], float_constant(graph, norm->inputs[1]),
              float_constant(graph, norm->inputs[2]), norm->attributes.get_float("epsilon", 1e-5f)};
  if (found.scale.empty() || found.shift.empty()) return std::nullopt;
  return found;
}

/// The operand of `node` beside `value`, as one number a channel; empty where it is something else.
Tensor beside(const Graph& graph, const Node& node, ValueId value) {
  const ValueId other = node.inputs[0] == value ? node.inputs[1] : node.inputs[0];
  return channel_constant(graph, other, graph.value(node.outputs[0]).type.shape);
}

/// The Reshape back, behind a Mul by constants and an Add of others where they are there.
struct Chain {
  const Node* back = nullptr;
  Tensor factor, offset;  ///< [channels]; empty: none
};

/// Whether `node` is that operator with such constants beside what `inner` makes; `constants` are those.
bool is_step(const Graph& graph, const UseMap& uses, const Node& node, std::string_view op, ValueId inner,
             Tensor& constants) {
  if (node.schema->name != op || !node.use_encodings.empty() || !uses.only_feeds_one(inner)) return false;
  constants = beside(graph, node, inner);
  return !constants.empty() &&
         graph.value(node.outputs[0]).type.shape.rank() == graph.value(inner).type.shape.rank();
}

Chain chain_before(const Graph& graph, const UseMap& uses, const Node& node) {
  if (node.schema->name == "Reshape") return {&node, {}, {}};
  if (node.schema->name != "Add" && node.schema->name != "Mul") return {};
  for (ValueId inner : node.inputs) {
    Chain chain;
    if (is_step(graph, uses, node, "Mul", inner, chain.factor)) {
      if ((chain.back = uses.made_by(inner, "Reshape"))) return chain;
    } else if (is_step(graph, uses, node, "Add", inner, chain.offset)) {
      if ((chain.back = uses.made_by(inner, "Reshape"))) return chain;
      const Node* mul = uses.made_by(inner, "Mul");
      for (ValueId of_mul : mul ? mul->inputs : std::vector<ValueId>{})
        if (is_step(graph, uses, *mul, "Mul", of_mul, chain.factor) &&
            (chain.back = uses.made_by(of_mul, "Reshape")))
          return chain;
    }
  }
  return {};
}

/// Of each channel: its group's number, changed by the channel's own where there is one.
template <class F>
Tensor by_channel(const Tensor& of_groups, const Tensor& own, int64_t channels, F f) {
  const int64_t each = channels / of_groups.shape()[0];
  Tensor made = Tensor::allocate(DType::f32, {channels});
  for (int64_t c = 0; c < channels; ++c) {
    const float group = of_groups.span<float>()[static_cast<size_t>(c / each)];
    made.mutable_view().span<float>()[static_cast<size_t>(c)] =
        own.empty() ? group : f(group, own.span<float>()[static_cast<size_t>(c)]);
  }
  return made;
}

Tensor as_type(const Tensor& floats, DType dtype) {
  Tensor made = Tensor::allocate(dtype, floats.shape());
  store_floats(floats.span<float>(), made.mutable_view(), 0);
  return made;
}

}  // namespace

/// Reshape, InstanceNormalization, Reshape, Mul, Add -> GroupNormalization.
int recognise_group_normalization(Graph& graph) {
  const UseMap uses(graph);
  const KnownSizes sizes = known_sizes(graph);
  std::vector<const Node*> taken;
  int changes = 0;
  // From the back, so that the Add is met before the Mul and the Reshape that it takes along.
  for (size_t n = graph.nodes().size(); n-- > 0;) {
    Node& node = graph.nodes()[n];
    const Chain chain = chain_before(graph, uses, node);
    if (!chain.back || std::find(taken.begin(), taken.end(), chain.back) != taken.end()) continue;
    const auto found = find_grouped(graph, uses, sizes, chain.back);
    if (!found) continue;
    const int64_t channels = graph.value(found->x).type.shape[1];
    const auto is_for_all = [&](const Tensor& own) { return own.empty() || own.shape()[0] == channels; };
    if (!is_for_all(chain.factor) || !is_for_all(chain.offset)) continue;
    taken.push_back(chain.back);
    const DType type = graph.value(found->x).type.dtype;
    const auto times = [](float a, float b) { return a * b; };
    const Tensor scale = by_channel(found->scale, chain.factor, channels, times);
    const Tensor shift = by_channel(by_channel(found->shift, chain.factor, channels, times), chain.offset,
                                    channels, [](float a, float b) { return a + b; });
    const ValueId scales = add_pass_constant(graph, node.name + ".scale", Constant(as_type(scale, type)));
    const ValueId shifts = add_pass_constant(graph, node.name + ".shift", Constant(as_type(shift, type)));
    node.schema = find_op("GroupNormalization");
    node.inputs = {found->x, scales, shifts};
    node.attributes = {{"num_groups", found->groups}, {"epsilon", found->epsilon}};
    ++changes;
  }
  if (changes > 0) infer_types(graph);  // what was an open shape is x's now
  return changes;
}

}  // namespace halftone
