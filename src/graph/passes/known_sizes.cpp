#include "graph/passes/known_sizes.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "ops/movement.h"

namespace halftone {
namespace {

using Terms = KnownSizes::Terms;

/// More elements than any shape has are not sizes.
constexpr int64_t kMostTerms = 16;

std::optional<SizeTerm> product(const SizeTerm& a, const SizeTerm& b) {
  const auto number = checked_mul(a.number, b.number);
  if (!number) return std::nullopt;
  if (*number == 0) return SizeTerm{0};
  SizeTerm made{*number, a.symbols};
  made.symbols.insert(made.symbols.end(), b.symbols.begin(), b.symbols.end());
  std::sort(made.symbols.begin(), made.symbols.end());
  return made;
}

/// Only what leaves no rest.
std::optional<SizeTerm> quotient(SizeTerm a, const SizeTerm& b) {
  if (b.number == 0 || b.number == -1 || a.number % b.number != 0) return std::nullopt;
  for (int64_t symbol : b.symbols) {
    const auto found = std::find(a.symbols.begin(), a.symbols.end(), symbol);
    if (found == a.symbols.end()) return std::nullopt;
    a.symbols.erase(found);
  }
  a.number /= b.number;
  return a;
}

std::optional<SizeTerm> sum(const SizeTerm& a, const SizeTerm& b, int64_t sign) {
  const auto signed_b = checked_mul(b.number, sign);
  if (!signed_b) return std::nullopt;
  const auto number = checked_add(a.number, *signed_b);
  if (!number) return std::nullopt;
  if (a.symbols == b.symbols) return *number == 0 ? SizeTerm{0} : SizeTerm{*number, a.symbols};
  if (b.number == 0) return a;
  if (a.number == 0 && sign == 1) return b;
  return std::nullopt;
}

std::optional<SizeTerm> combined(std::string_view op, const SizeTerm& a, const SizeTerm& b) {
  if (op == "Mul") return product(a, b);
  if (op == "Div") return quotient(a, b);
  return sum(a, b, op == "Add" ? 1 : -1);
}

bool is_integer_list(const ValueType& type) {
  return (type.dtype == DType::i64 || type.dtype == DType::i32) && type.shape.rank() <= 1 &&
         type.shape.is_concrete() && type.shape.elements() <= kMostTerms;
}

}  // namespace

std::optional<Terms> KnownSizes::terms_of_constant(ValueId value) const {
  const auto& constant = graph_.value(value).constant;
  if (!constant || constant->encoding()) return std::nullopt;
  const Tensor tensor = constant->load();
  Terms terms;
  for (int64_t i = 0; i < tensor.shape().elements(); ++i)
    terms.push_back(SizeTerm{tensor.dtype() == DType::i64 ? tensor.span<int64_t>()[static_cast<size_t>(i)]
                                                          : tensor.span<int32_t>()[static_cast<size_t>(i)]});
  return terms;
}

const Terms* KnownSizes::of(ValueId value) const {
  if (value == kNoValue || !is_integer_list(graph_.value(value).type)) return nullptr;
  if (terms_.size() < graph_.values().size()) terms_.resize(graph_.values().size());
  auto& terms = terms_[static_cast<size_t>(value)];
  if (!terms) terms = terms_of_constant(value);
  return terms ? &*terms : nullptr;
}

bool KnownSizes::is_of_graph(int64_t symbol) {
  return symbol > std::numeric_limits<int64_t>::min() / 2;
}

SizeTerm KnownSizes::dim(ValueId value, int axis) const {
  const int64_t dim = graph_.value(value).type.shape[axis];
  if (dim >= 0) return {dim};
  if (dim != Shape::kUnknownDim) return {1, {dim}};
  if (static_cast<size_t>(value) < origins_.size() && origins_[static_cast<size_t>(value)] != kNoValue)
    value = origins_[static_cast<size_t>(value)];
  return {1, {std::numeric_limits<int64_t>::min() + int64_t{value} * Shape::kMaxRank + axis}};
}

bool KnownSizes::are_dims(ValueId target, ValueId value, std::span<const int> axes) const {
  const Terms* terms = of(target);
  if (!terms || terms->size() != axes.size()) return false;
  for (size_t i = 0; i < axes.size(); ++i)
    if ((*terms)[i] != dim(value, axes[i])) return false;
  return true;
}

void KnownSizes::follow(const Node& node) {
  constexpr std::string_view kKeepers[] = {
      "Cast",    "Erf",     "Gelu",  "Identity", "LayerNormalization", "Relu", "RMSNormalization",
      "Sigmoid", "Softmax", "Swish", "Tanh"};
  constexpr std::string_view kBroadcast[] = {"Add", "Div", "Mul", "Sub"};
  const std::string_view op = node.schema->name;
  if (node.outputs.size() != 1 || node.inputs.empty()) return;
  const auto rank = [&](ValueId value) { return graph_.value(value).type.shape.rank(); };
  const ValueId y = node.outputs[0];
  ValueId x = node.inputs[0];
  if (std::ranges::find(kBroadcast, op) != std::end(kBroadcast)) {
    const size_t constant = graph_.value(node.inputs[0]).constant ? 0 : 1;
    // A constant of one axis widens none but the last, which layers know.
    if (!graph_.value(node.inputs[constant]).constant || rank(node.inputs[constant]) > 1) return;
    x = node.inputs[1 - constant];
  } else if (op == "MatMul" || op == "Gemm") {
    if (!graph_.value(node.inputs[1]).constant || rank(node.inputs[1]) != 2 ||
        node.attributes.get_int("transA", 0) != 0)
      return;
  } else if (std::ranges::find(kKeepers, op) == std::end(kKeepers)) {
    return;
  }
  // The last axis must be known, or it might be another one.
  if (rank(x) != rank(y) || rank(y) == 0 || graph_.value(y).type.shape.back() == Shape::kUnknownDim) return;
  if (origins_.size() < graph_.values().size()) origins_.resize(graph_.values().size(), kNoValue);
  const ValueId before = origins_[static_cast<size_t>(x)];
  origins_[static_cast<size_t>(y)] = before == kNoValue ? x : before;
}

void KnownSizes::visit(const Node& node) {
  follow(node);
  if (node.outputs.size() != 1 || !is_integer_list(graph_.value(node.outputs[0]).type)) return;
  auto terms = made_by(node);
  if (!terms || static_cast<int64_t>(terms->size()) != graph_.value(node.outputs[0]).type.shape.elements())
    return;
  if (terms_.size() < graph_.values().size()) terms_.resize(graph_.values().size());
  terms_[static_cast<size_t>(node.outputs[0])] = std::move(terms);
}

std::optional<Terms> KnownSizes::made_by(const Node& node) const {
  const std::string_view op = node.schema->name;
  Terms made;
  if (op == "Shape") {
    const int64_t rank = graph_.value(node.inputs[0]).type.shape.rank();
    const auto place = [&](std::string_view name, int64_t fallback) {
      const int64_t given = node.attributes.get_int(name, fallback);
      return std::clamp<int64_t>(given < 0 ? given + rank : given, 0, rank);
    };
    for (int64_t axis = place("start", 0); axis < place("end", rank); ++axis)
      made.push_back(dim(node.inputs[0], static_cast<int>(axis)));
    return made;
  }
  if (op == "Size") {
    std::optional<SizeTerm> all = SizeTerm{1};
    for (int axis = 0; all && axis < graph_.value(node.inputs[0]).type.shape.rank(); ++axis)
      all = product(*all, dim(node.inputs[0], axis));
    return Terms{all};
  }
  if (op == "Concat") {
    for (ValueId input : node.inputs) {
      const Terms* part = of(input);
      if (!part && !is_integer_list(graph_.value(input).type)) return std::nullopt;
      if (part)
        made.insert(made.end(), part->begin(), part->end());
      else
        made.resize(made.size() + static_cast<size_t>(graph_.value(input).type.shape.elements()));
    }
    return made;
  }
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") return elementwise(node);

  const Terms* from = node.inputs.empty() ? nullptr : of(node.inputs[0]);
  if (!from) return std::nullopt;
  if (op == "Identity" || op == "Cast" || op == "Squeeze" || op == "Unsqueeze" || op == "Reshape")
    return *from;
  const auto count = static_cast<int64_t>(from->size());
  const auto number = [&](size_t input) -> std::optional<int64_t> {
    const Terms* terms = input < node.inputs.size() ? of(node.inputs[input]) : nullptr;
    if (!terms || terms->size() != 1 || !(*terms)[0] || !(*terms)[0]->is_number()) return std::nullopt;
    return (*terms)[0]->number;
  };
  if (op == "Gather") {
    const Terms* places = of(node.inputs[1]);
    if (!places) return std::nullopt;
    for (const auto& place : *places) {
      if (!place || !place->is_number() || place->number < -count || place->number >= count)
        return std::nullopt;
      made.push_back((*from)[static_cast<size_t>(place->number + (place->number < 0 ? count : 0))]);
    }
    return made;
  }
  if (op == "Slice") {
    const auto start = number(1), end = number(2), step = number(4);
    if (!start || !end || (node.inputs.size() > 4 && node.inputs[4] != kNoValue && step != 1))
      return std::nullopt;
    const auto place = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + count : at, 0, count); };
    for (int64_t i = place(*start); i < place(*end); ++i) made.push_back((*from)[static_cast<size_t>(i)]);
    return made;
  }
  return std::nullopt;
}

std::optional<Terms> KnownSizes::elementwise(const Node& node) const {
  const Terms *a = of(node.inputs[0]), *b = of(node.inputs[1]);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1)) return std::nullopt;
  Terms made(std::max(a->size(), b->size()));
  for (size_t i = 0; i < made.size(); ++i) {
    const auto &left = (*a)[a->size() == 1 ? 0 : i], &right = (*b)[b->size() == 1 ? 0 : i];
    if (left && right) made[i] = combined(node.schema->name, *left, *right);
  }
  return made;
}

}  // namespace halftone
