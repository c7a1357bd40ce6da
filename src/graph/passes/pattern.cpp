#include "graph/passes/pattern.h"

#include <algorithm>
#include <cmath>

namespace halftone {

UseMap::UseMap(const Graph& graph)
    : graph_(graph), makers_(graph.values().size(), -1), uses_(graph.values().size(), 0) {
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    for (ValueId output : graph.nodes()[n].outputs)
      makers_[static_cast<size_t>(output)] = static_cast<int>(n);
    for (ValueId input : graph.nodes()[n].inputs)
      if (input != kNoValue) ++uses_[static_cast<size_t>(input)];
  }
  for (ValueId output : graph.outputs()) ++uses_[static_cast<size_t>(output)];
}

const Node* UseMap::made_by(ValueId value) const {
  if (value == kNoValue || static_cast<size_t>(value) >= makers_.size() || maker(value) < 0) return nullptr;
  return &graph_.nodes()[static_cast<size_t>(maker(value))];
}

const Node* UseMap::made_by(ValueId value, std::string_view op) const {
  const Node* node = made_by(value);
  return node && node->schema->name == op && node->use_encodings.empty() ? node : nullptr;
}

bool UseMap::only_feeds_one(ValueId value) const {
  return uses_[static_cast<size_t>(value)] == 1;
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
  return found && std::fabs(*found - number) <= 1e-6f * std::fabs(number);
}

Tensor float_constant(const Graph& graph, ValueId value) {
  if (value == kNoValue) return {};
  const auto& constant = graph.value(value).constant;
  if (!constant || constant->encoding() || !is_float(constant->dtype())) return {};
  return to_f32(constant->load());
}

ValueId add_pass_constant(Graph& graph, const std::string& name, Constant constant) {
  auto taken = [&](const std::string& candidate) {
    return std::any_of(graph.values().begin(), graph.values().end(),
                       [&](const Value& value) { return value.name == candidate; });
  };
  std::string free = name;
  for (int i = 1; taken(free); ++i) free = name + "." + std::to_string(i);
  return graph.add_constant(free, std::move(constant));
}

}  // namespace halftone
