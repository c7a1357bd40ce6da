#include <cmath>
#include <optional>

#include "graph/passes/pass.h"
#include "graph/passes/pattern.h"

namespace halftone {
namespace {

bool is_hard_swish_gate(const Node& node) {
  return std::abs(node.attributes.get_float("alpha", 0.2f) - 1.0f / 6) < 1e-6f &&
         node.attributes.get_float("beta", 0.5f) == 0.5f;
}

/// The operator that x * gate(x) is.
const OpSchema* gated(const Node& gate) {
  if (gate.schema->name == "Sigmoid") return find_op("Swish");
  if (gate.schema->name == "HardSigmoid" && is_hard_swish_gate(gate)) return find_op("HardSwish");
  return nullptr;
}

/// Whether `value` is x times a number that is more than 0, which it sets; or x itself, times 1.
bool is_multiple(const Graph& graph, const UseMap& uses, ValueId value, ValueId x, float& factor) {
  factor = 1;
  if (value == x) return true;
  const Node* mul = uses.made_by(value, "Mul");
  for (size_t side : {size_t{0}, size_t{1}}) {
    const auto number = mul ? scalar_constant(graph, mul->inputs[side]) : std::nullopt;
    if (!number || !(*number > 0) || mul->inputs[1 - side] != x) continue;
    factor = *number;
    return graph.value(value).type == graph.value(x).type && uses.only_feeds_one(value);
  }
  return false;
}

/// Factors of a product: leaves of a tree of Mul whose inner nodes feed nothing else.
void collect_factors(const Graph& graph, const UseMap& uses, const Node& mul, std::vector<ValueId>& factors) {
  for (ValueId input : mul.inputs) {
    const Node* inner = uses.made_by(input, "Mul");
    if (inner && uses.only_feeds_one(input) && factors.size() < 8)
      collect_factors(graph, uses, *inner, factors);
    else
      factors.push_back(input);
  }
}

/// The other operand of Add(value, 1), or kNoValue.
ValueId one_plus(const Graph& graph, const UseMap& uses, ValueId value) {
  const Node* add = uses.made_by(value, "Add");
  if (!add || !uses.only_feeds_one(value)) return kNoValue;
  for (size_t side : {size_t{0}, size_t{1}})
    if (is_scalar(graph, add->inputs[side], 1)) return add->inputs[1 - side];
  return kNoValue;
}

/// x, when `value` is x times `factor` (or divided by its inverse).
ValueId scaled_by(const Graph& graph, const UseMap& uses, ValueId value, float factor) {
  if (const Node* div = uses.made_by(value, "Div"))
    return is_scalar(graph, div->inputs[1], 1 / factor) ? div->inputs[0] : kNoValue;
  if (const Node* mul = uses.made_by(value, "Mul"))
    for (size_t side : {size_t{0}, size_t{1}})
      if (is_scalar(graph, mul->inputs[side], factor)) return mul->inputs[1 - side];
  return kNoValue;
}

/// Whether `value` is `factor` times x^3, however the product is bracketed.
bool is_scaled_cube(const Graph& graph, const UseMap& uses, ValueId value, float factor, ValueId x) {
  const Node* pow = uses.made_by(scaled_by(graph, uses, value, factor), "Pow");
  if (pow) return pow->inputs[0] == x && is_scalar(graph, pow->inputs[1], 3);
  const Node* mul = uses.made_by(value, "Mul");
  if (!mul) return false;
  std::vector<ValueId> factors;
  collect_factors(graph, uses, *mul, factors);
  const auto is_number = [&](ValueId other) { return is_scalar(graph, other, factor); };
  return std::erase_if(factors, is_number) == 1 && factors == std::vector<ValueId>{x, x, x};
}

/// x, when `value` is sqrt(2 / pi) (x + 0.044715 x^3).
ValueId tanh_argument(const Graph& graph, const UseMap& uses, ValueId value) {
  const ValueId sum = scaled_by(graph, uses, value, 0.79788456f);
  const Node* add = sum == kNoValue ? nullptr : uses.made_by(sum, "Add");
  if (!add) return kNoValue;
  for (size_t side : {size_t{0}, size_t{1}}) {
    const ValueId x = add->inputs[side];
    if (is_scaled_cube(graph, uses, add->inputs[1 - side], 0.044715f, x)) return x;
  }
  return kNoValue;
}

struct FoundGelu {
  ValueId x;
  bool by_tanh;
};

/// x * 0.5 * (1 + erf(x / sqrt 2)) or its approximation, however the product is bracketed.
std::optional<FoundGelu> find_gelu(const Graph& graph, const UseMap& uses, const Node& mul) {
  std::vector<ValueId> factors;
  collect_factors(graph, uses, mul, factors);
  if (factors.size() != 3) return std::nullopt;
  for (size_t gate = 0; gate < 3; ++gate) {
    const ValueId inner = one_plus(graph, uses, factors[gate]);
    if (inner == kNoValue) continue;
    ValueId x = kNoValue;
    const bool by_tanh = uses.is_made_by(inner, "Tanh");
    if (const Node* erf = uses.made_by(inner, "Erf"))
      x = scaled_by(graph, uses, erf->inputs[0], 0.70710678f);
    else if (const Node* tanh = uses.made_by(inner, "Tanh"))
      x = tanh_argument(graph, uses, tanh->inputs[0]);
    if (x == kNoValue) continue;
    const ValueId first = factors[(gate + 1) % 3], second = factors[(gate + 2) % 3];
    if ((first == x && is_scalar(graph, second, 0.5f)) || (second == x && is_scalar(graph, first, 0.5f)))
      return FoundGelu{x, by_tanh};
  }
  return std::nullopt;
}

/// z, when `node` makes z / 6.
ValueId sixth_of(const Graph& graph, const Node& node) {
  if (node.schema->name == "Div") return is_scalar(graph, node.inputs[1], 6) ? node.inputs[0] : kNoValue;
  for (size_t side : {size_t{0}, size_t{1}})
    if (is_scalar(graph, node.inputs[side], 1.0f / 6)) return node.inputs[1 - side];
  return kNoValue;
}

/// x, when `value` is Clip(x + 3, 0, 6).
ValueId six_gates_of(const Graph& graph, const UseMap& uses, ValueId value) {
  const Node* clip = uses.made_by(value, "Clip");
  if (!clip || clip->inputs.size() < 3 || !uses.only_feeds_one(value)) return kNoValue;
  const Node* add = uses.made_by(clip->inputs[0], "Add");
  if (!add || scalar_constant(graph, clip->inputs[1]) != 0.0f || !is_scalar(graph, clip->inputs[2], 6))
    return kNoValue;
  for (size_t side : {size_t{0}, size_t{1}})
    if (is_scalar(graph, add->inputs[side], 3)) return add->inputs[1 - side];
  return kNoValue;
}

/// x * Clip(x + 3, 0, 6) / 6, the sixth on either side of the product, or the gate alone.
bool spell_hard_gate(const Graph& graph, const UseMap& uses, Node& node) {
  const ValueId whole = sixth_of(graph, node);
  if (whole == kNoValue || !is_float(graph.value(node.outputs[0]).type.dtype)) return false;
  ValueId x = six_gates_of(graph, uses, whole);
  const bool alone = x != kNoValue;
  if (const Node* mul = alone ? nullptr : uses.made_by(whole, "Mul"); mul && uses.only_feeds_one(whole))
    for (size_t side : {size_t{0}, size_t{1}})
      if (six_gates_of(graph, uses, mul->inputs[side]) == mul->inputs[1 - side]) x = mul->inputs[1 - side];
  if (x == kNoValue || !(graph.value(x).type == graph.value(node.outputs[0]).type)) return false;
  node.schema = find_op(alone ? "HardSigmoid" : "HardSwish");
  node.inputs = {x};
  node.attributes = alone ? Attributes{{"alpha", 1.0f / 6}, {"beta", 0.5f}} : Attributes{};
  return true;
}

}  // namespace

/// What exporters spell out: x * Sigmoid(alpha x) -> Swish, x * HardSigmoid(x) -> HardSwish, Clip(x + 3, 0,
/// 6) / 6 -> HardSigmoid, and the products around Erf and Tanh that are Gelu. What they leave unread is dead
/// code.
int recognise_activations(Graph& graph) {
  const UseMap uses(graph);
  int changes = 0;
  for (Node& node : graph.nodes()) {
    if (!node.use_encodings.empty() || (node.schema->name != "Mul" && node.schema->name != "Div")) continue;
    if (spell_hard_gate(graph, uses, node)) {
      ++changes;
      continue;
    }
    if (node.schema->name != "Mul") continue;
    if (const auto gelu = find_gelu(graph, uses, node)) {
      if (!(graph.value(gelu->x).type == graph.value(node.outputs[0]).type)) continue;
      node.schema = find_op("Gelu");
      node.inputs = {gelu->x};
      node.attributes = gelu->by_tanh ? Attributes{{"approximate", std::string("tanh")}} : Attributes{};
      ++changes;
      continue;
    }
    for (size_t side : {size_t{0}, size_t{1}}) {
      const Node* gate = uses.made_by(node.inputs[side]);
      if (!gate || !gate->use_encodings.empty() || gate->inputs.empty() ||
          !uses.only_feeds_one(node.inputs[side]))
        continue;
      const OpSchema* op = gated(*gate);
      const ValueId x = node.inputs[1 - side];
      float alpha = 1;
      if (!op || !is_float(graph.value(node.outputs[0]).type.dtype) ||
          !is_multiple(graph, uses, gate->inputs[0], x, alpha) || (alpha != 1 && op->name != "Swish"))
        continue;
      node.schema = op;
      node.inputs = {x};
      node.attributes = {};
      if (alpha != 1) node.attributes.set("alpha", alpha);
      ++changes;
      break;
    }
  }
  return changes;
}

}  // namespace halftone
