#include "graph/passes/pattern.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/short_floats.h"

namespace halftone {

UseMap::UseMap(const Graph& graph)
    : graph_(graph),
      makers_(graph.values().size(), -1),
      readers_(graph.values().size(), -1),
      uses_(graph.values().size(), 0),
      outputs_(graph.values().size()) {
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    for (ValueId output : graph.nodes()[n].outputs)
      makers_[static_cast<size_t>(output)] = static_cast<int>(n);
    for (ValueId input : graph.nodes()[n].inputs) {
      if (input == kNoValue) continue;
      if (uses_[static_cast<size_t>(input)]++ == 0)
        readers_[static_cast<size_t>(input)] = static_cast<int>(n);
    }
  }
  for (ValueId output : graph.outputs()) {
    ++uses_[static_cast<size_t>(output)];
    outputs_[static_cast<size_t>(output)] = true;
  }
}

const Node* UseMap::made_by(ValueId value) const {
  if (value == kNoValue || static_cast<size_t>(value) >= makers_.size() || maker(value) < 0) return nullptr;
  return &graph_.nodes()[static_cast<size_t>(maker(value))];
}

const Node* UseMap::made_by(ValueId value, std::string_view op) const {
  const Node* node = made_by(value);
  return node && node->schema->name == op && node->use_encodings.empty() ? node : nullptr;
}

const Node* UseMap::read_by(ValueId value) const {
  return first_reader(value) < 0 ? nullptr : &graph_.nodes()[static_cast<size_t>(first_reader(value))];
}

bool UseMap::is_made_by(ValueId value, std::string_view op) const {
  const Node* node = made_by(value);
  return node && node->schema->name == op;
}

std::optional<float> scalar_constant(const Graph& graph, ValueId value) {
  if (value == kNoValue) return std::nullopt;
  const auto& constant = graph.value(value).constant;
  if (!constant || constant->encoding() || !is_float(constant->dtype()) ||
      constant->shape().checked_elements() != 1)
    return std::nullopt;
  float number;
  load_floats(constant->load().view(), 0, {&number, 1});
  return number;
}

bool is_scalar(const Graph& graph, ValueId value, float number) {
  const auto found = scalar_constant(graph, value);
  if (!found) return false;
  const float tolerance = std::max(1e-6f, 1.01f * rounding_of(graph.value(value).type.dtype));
  return std::fabs(*found - number) <= tolerance * std::fabs(number);
}

Tensor float_constant(const Graph& graph, ValueId value) {
  if (value == kNoValue) return {};
  const auto& constant = graph.value(value).constant;
  if (!constant || constant->encoding() || !is_float(constant->dtype())) return {};
  return to_f32(constant->load());
}

Tensor channel_constant(const Graph& graph, ValueId value, const Shape& shape) {
  const Tensor constant = float_constant(graph, value);
  const int missing = shape.rank() - constant.shape().rank();
  if (constant.empty() || shape.rank() < 2 || missing < 0) return {};
  const int64_t channels = shape[1];
  if (constant.shape().elements() != channels) return {};
  if (channels > 1 && (missing > 1 || constant.shape()[1 - missing] != channels)) return {};
  return Tensor::from<float>({channels}, constant.span<float>());
}

namespace {

/// NAME, or NAME with a number where that is taken; `taken` is filled when it is empty.
std::string free_name(const Graph& graph, std::unordered_map<std::string, int>& taken,
                      const std::string& name) {
  if (taken.empty())
    for (const Value& value : graph.values()) taken.emplace(value.name, 0);
  std::string free = name;
  while (!taken.emplace(free, 0).second) free = name + "." + std::to_string(++taken[name]);
  return free;
}

}  // namespace

void infer_types(Graph& graph) {
  for (const Node& node : graph.nodes()) {
    const std::vector<ValueType> types = node.schema->infer(graph.site(node));
    for (size_t i = 0; i < node.outputs.size(); ++i) graph.value(node.outputs[i]).type = types[i];
  }
}

ValueId PassConstants::add(const std::string& name, Constant constant) {
  return graph_.add_constant(free_name(graph_, taken_, name), std::move(constant));
}

ValueId AddedNodes::before(size_t position, std::string_view op, const std::string& name,
                           std::vector<ValueId> inputs, Attributes attributes) {
  Node node{find_op(op), free_name(graph_, taken_, name), std::move(inputs), {}, std::move(attributes), {}};
  node.outputs = {graph_.add_value(node.name, node.schema->infer(graph_.site(node)).front())};
  added_.emplace_back(position, std::move(node));
  return added_.back().second.outputs[0];
}

void AddedNodes::apply(const std::vector<bool>& gone) {
  std::stable_sort(added_.begin(), added_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Node> nodes;
  size_t next = 0;
  for (size_t n = 0; n < gone.size(); ++n) {
    for (; next < added_.size() && added_[next].first == n; ++next)
      nodes.push_back(std::move(added_[next].second));
    if (!gone[n]) nodes.push_back(std::move(graph_.nodes()[n]));
  }
  graph_.nodes() = std::move(nodes);
  added_.clear();
}

ValueId add_pass_constant(Graph& graph, const std::string& name, Constant constant) {
  return PassConstants(graph).add(name, std::move(constant));
}

Replacements::Replacements(const Graph& graph) : instead_(graph.values().size()) {
  std::iota(instead_.begin(), instead_.end(), ValueId{0});
}

void Replacements::apply(Node& node) const {
  for (ValueId& input : node.inputs) input = (*this)(input);
}

void Replacements::rename(std::span<Node> nodes) const {
  for (Node& node : nodes) {
    apply(node);
    for (ValueId& output : node.outputs) output = (*this)(output);
  }
}

void Replacements::apply(Graph& graph) const {
  for (Node& node : graph.nodes()) apply(node);
  const std::vector<ValueId> outputs = graph.outputs();
  for (ValueId output : outputs)
    if ((*this)(output) != output) graph.replace_uses(output, (*this)(output));
}

}  // namespace halftone
