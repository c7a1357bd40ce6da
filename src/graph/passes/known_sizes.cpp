#include "graph/passes/known_sizes.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/checked.h"
#include "ops/movement.h"
#include "ops/pool.h"

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

/// Operators whose output has the shape of their first input.
constexpr std::array<std::string_view, 26> kKeepers = {"BatchNormalization",
                                                       "Cast",
                                                       "Clip",
                                                       "Elu",
                                                       "Erf",
                                                       "Exp",
                                                       "GatedActivation",
                                                       "Gelu",
                                                       "GroupNormalization",
                                                       "HardSigmoid",
                                                       "HardSwish",
                                                       "Identity",
                                                       "InstanceNormalization",
                                                       "LayerNormalization",
                                                       "LeakyRelu",
                                                       "Mish",
                                                       "Neg",
                                                       "PRelu",
                                                       "Relu",
                                                       "RMSNormalization",
                                                       "Sigmoid",
                                                       "Softmax",
                                                       "Softplus",
                                                       "Sqrt",
                                                       "Swish",
                                                       "Tanh"};
constexpr std::array<std::string_view, 9> kBroadcast = {"Add", "Div", "Max", "Min",  "Mul",
                                                        "Pow", "Sub", "Sum", "Where"};
constexpr std::array<std::string_view, 3> kWindows = {"AveragePool", "Conv", "MaxPool"};

int64_t from_front(int64_t axis, int rank) {
  return axis < 0 ? axis + rank : axis;
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
  if (const auto found = dims_.find(value); found != dims_.end())
    return found->second[static_cast<size_t>(axis)];
  return {1, {std::numeric_limits<int64_t>::min() + int64_t{value} * Shape::kMaxRank + axis}};
}

bool KnownSizes::are_alike(ValueId a, ValueId b) const {
  const int rank = graph_.value(a).type.shape.rank();
  if (graph_.value(b).type.shape.rank() != rank) return false;
  for (int axis = 0; axis < rank; ++axis)
    if (dim(a, axis) != dim(b, axis)) return false;
  return true;
}

bool KnownSizes::are_dims(ValueId target, ValueId value, std::span<const int> axes) const {
  const Terms* terms = of(target);
  if (!terms || terms->size() != axes.size()) return false;
  for (size_t i = 0; i < axes.size(); ++i)
    if ((*terms)[i] != dim(value, axes[i])) return false;
  return true;
}

std::optional<SizeTerm> KnownSizes::broadcast(const Node& node, int axis) const {
  const int rank = graph_.value(node.outputs[0]).type.shape.rank();
  SizeTerm made{1};
  for (ValueId input : node.inputs) {
    if (input == kNoValue) continue;
    const int own = axis - (rank - graph_.value(input).type.shape.rank());
    const SizeTerm size = own < 0 ? SizeTerm{1} : dim(input, own);
    if (made == SizeTerm{1})
      made = size;
    else if (size != SizeTerm{1} && size != made)
      return std::nullopt;
  }
  return made;
}

/// What the second input of a Reshape says; -1 stands for what the others leave of all elements.
std::optional<SizeTerm> KnownSizes::reshaped(const Node& node, int axis) {
  const Terms* terms = of(node.inputs[1]);
  const ValueId x = node.inputs[0];
  const int rank = graph_.value(x).type.shape.rank();
  if (!terms || static_cast<size_t>(axis) >= terms->size()) return std::nullopt;
  const auto& term = (*terms)[static_cast<size_t>(axis)];
  if (term == SizeTerm{0}) {
    const bool copies = node.attributes.get_int("allowzero", 0) == 0 && axis < rank;
    return copies ? std::optional(dim(x, axis)) : std::nullopt;
  }
  if (term != SizeTerm{-1}) return term;
  std::optional<SizeTerm> all = SizeTerm{1}, others = SizeTerm{1};
  for (int a = 0; all && a < rank; ++a) all = product(*all, dim(x, a));
  for (size_t a = 0; others && a < terms->size(); ++a) {
    if (static_cast<int>(a) == axis) continue;
    const auto size = (*terms)[a] == SizeTerm{-1} ? std::nullopt : reshaped(node, static_cast<int>(a));
    others = size ? product(*others, *size) : std::nullopt;
  }
  if (!all || !others) return std::nullopt;
  if (auto exact = quotient(*all, *others)) return exact;
  for (const Rest& known : rests_)
    if (known.all == *all && known.others == *others) return known.size;
  rests_.push_back({*all, *others, dim(node.outputs[0], axis)});
  return rests_.back().size;
}

/// The same of an Expand.
std::optional<SizeTerm> KnownSizes::expanded(const Node& node, int axis) const {
  const Terms* terms = of(node.inputs[1]);
  if (!terms) return std::nullopt;
  const ValueId x = node.inputs[0];
  const int rank = graph_.value(node.outputs[0]).type.shape.rank();
  const int own = axis - (rank - graph_.value(x).type.shape.rank()),
            asked = axis - (rank - static_cast<int>(terms->size()));
  const SizeTerm size = own < 0 ? SizeTerm{1} : dim(x, own);
  if (asked < 0) return size;
  const auto& term = (*terms)[static_cast<size_t>(asked)];
  if (!term || (*term != size && *term != SizeTerm{1} && size != SizeTerm{1})) return std::nullopt;
  return size == SizeTerm{1} ? term : size;
}

/// Of a Squeeze or an Unsqueeze of known axes.
std::optional<SizeTerm> KnownSizes::with_other_ones(const Node& node, int axis) const {
  const Terms* named = node.inputs.size() > 1 ? of(node.inputs[1]) : nullptr;
  if (!named) return std::nullopt;
  const ValueId x = node.inputs[0];
  const bool squeeze = node.schema->name == "Squeeze";
  const int rank = graph_.value(squeeze ? x : node.outputs[0]).type.shape.rank();
  std::vector<bool> is_one(static_cast<size_t>(rank));
  for (const auto& one : *named) {
    const int64_t place = one && one->is_number() ? from_front(one->number, rank) : -1;
    if (place < 0 || place >= rank) return std::nullopt;
    is_one[static_cast<size_t>(place)] = true;
  }
  if (!squeeze && is_one[static_cast<size_t>(axis)]) return SizeTerm{1};
  int others = 0;  // axes of the narrower value
  for (int a = 0; a < rank; ++a) {
    if (squeeze ? !is_one[static_cast<size_t>(a)] && others == axis : a == axis)
      return dim(x, squeeze ? a : others);
    others += !is_one[static_cast<size_t>(a)];
  }
  return std::nullopt;
}

/// Of a Conv or a pool: axes of equal sizes under windows alike are of equal sizes again.
std::optional<SizeTerm> KnownSizes::windows(const Node& node, int axis) {
  const ValueId x = node.inputs[0];
  if (axis == 0) return dim(x, 0);
  if (axis == 1) return std::nullopt;
  const OpSite site = graph_.site(node);
  const Shape& shape = graph_.value(x).type.shape;
  const bool conv = node.schema->name == "Conv";
  if (conv && !graph_.value(node.inputs[1]).type.shape.is_concrete()) return std::nullopt;
  const Window window =
      conv ? read_window(site, shape,
                         std::vector<int64_t>(site.input_shape(1).begin() + 2, site.input_shape(1).end()))
           : pool_window(site);
  const WindowAxis& w = window[axis - 2];
  if (window.ceil_mode) return std::nullopt;
  const bool same = window.auto_pad != Window::AutoPad::none;
  const SizeTerm size = dim(x, axis);
  // SAME gives ceil(size / stride), which is (size - 1) / stride + 1.
  const int64_t room = same ? -1 : w.pad_begin + w.pad_end - w.span();
  if (room == -1 && w.stride == 1) return size;
  for (const Windows& known : windows_)
    if (known.size == size && known.room == room && known.stride == w.stride) return known.count;
  const SizeTerm count = dim(node.outputs[0], axis);
  windows_.push_back({size, room, w.stride, count});
  return count;
}

std::optional<SizeTerm> KnownSizes::followed(const Node& node, int axis) {
  const auto is_among = [&](std::span<const std::string_view> names) {
    return std::ranges::find(names, node.schema->name) != names.end();
  };
  const std::string_view op = node.schema->name;
  const ValueId x = node.inputs[0];
  const int rank = graph_.value(node.outputs[0]).type.shape.rank();
  if (is_among(kBroadcast)) return broadcast(node, axis);
  if (is_among(kWindows)) return windows(node, axis);
  if (op == "Reshape") return reshaped(node, axis);
  if (op == "Expand") return expanded(node, axis);
  if (op == "Squeeze" || op == "Unsqueeze") return with_other_ones(node, axis);
  if (op == "Gather") {
    const int along =
        static_cast<int>(from_front(node.attributes.get_int("axis", 0), graph_.value(x).type.shape.rank()));
    const int places = graph_.value(node.inputs[1]).type.shape.rank();
    if (axis < along) return dim(x, axis);
    return axis < along + places ? dim(node.inputs[1], axis - along) : dim(x, axis - places + 1);
  }
  if (graph_.value(x).type.shape.rank() != rank) return std::nullopt;
  if (is_among(kKeepers)) return dim(x, axis);
  if (op == "MatMul" || op == "Gemm") {
    const ValueId weights = node.inputs[1];
    const bool layer = graph_.value(weights).constant && graph_.value(weights).type.shape.rank() == 2;
    const bool turned = node.attributes.get_int("transA", 0) != 0;
    if (layer) return !turned && axis < rank - 1 ? std::optional(dim(x, axis)) : std::nullopt;
    if (op == "Gemm" || graph_.value(weights).type.shape.rank() != rank) return std::nullopt;
    return axis < rank - 2 ? broadcast(node, axis) : dim(axis == rank - 2 ? x : weights, axis);
  }
  if (op == "Attention") return axis < rank - 1 ? std::optional(dim(x, axis)) : std::nullopt;
  if (op == "Transpose") {
    std::vector<int64_t> reversed;
    for (int a = rank; a-- > 0;) reversed.push_back(a);
    return dim(x, static_cast<int>(from_front(
                      node.attributes.get_ints("perm", reversed)[static_cast<size_t>(axis)], rank)));
  }
  if (op == "Concat" || op == "Split")
    return axis == from_front(node.attributes.get_int("axis", 0), rank) ? std::nullopt
                                                                        : std::optional(dim(x, axis));
  if (op == "Slice" && node.inputs.size() > 3) {
    const Terms* cut = of(node.inputs[3]);
    const bool kept = cut && std::ranges::all_of(*cut, [&](const std::optional<SizeTerm>& one) {
                        return one && one->is_number() && from_front(one->number, rank) != axis;
                      });
    return kept ? std::optional(dim(x, axis)) : std::nullopt;
  }
  return std::nullopt;
}

void KnownSizes::follow(const Node& node) {
  if (node.outputs.empty() || node.inputs.empty() || node.inputs[0] == kNoValue) return;
  const bool all = node.schema->name == "Split";
  for (ValueId y : std::span(node.outputs).first(all ? node.outputs.size() : 1)) {
    const Shape& shape = graph_.value(y).type.shape;
    if (std::ranges::find(shape, Shape::kUnknownDim) == shape.end()) continue;
    std::vector<SizeTerm> dims;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      auto size = shape[axis] == Shape::kUnknownDim ? followed(node, axis) : std::nullopt;
      dims.push_back(size ? std::move(*size) : dim(y, axis));
    }
    dims_[y] = std::move(dims);
  }
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
  if (!a || !b || a->empty() || b->empty()) return std::nullopt;
  if (a->size() != b->size() && a->size() != 1 && b->size() != 1) return std::nullopt;
  Terms made(std::max(a->size(), b->size()));
  for (size_t i = 0; i < made.size(); ++i) {
    const auto &left = (*a)[a->size() == 1 ? 0 : i], &right = (*b)[b->size() == 1 ? 0 : i];
    if (left && right) made[i] = combined(node.schema->name, *left, *right);
  }
  return made;
}

KnownSizes known_sizes(const Graph& graph) {
  KnownSizes sizes(graph);
  for (const Node& node : graph.nodes()) sizes.visit(node);
  return sizes;
}

}  // namespace halftone
