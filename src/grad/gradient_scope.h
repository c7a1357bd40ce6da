#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// What a gradient rule sees: one node, the gradients of its outputs, and ways to add nodes. A rule calls
/// give() for each input that wants() one.
class GradientScope {
 public:
  /// By value: the gradient gathered so far, kNoValue for none. `wanted`: whether a gradient leads anywhere.
  GradientScope(Graph& graph, const Node& node, std::vector<ValueId>& gradients,
                const std::vector<bool>& wanted)
      : graph_(graph), node_(node), gradients_(gradients), wanted_(wanted) {}

  const Attributes& attributes() const { return node_.attributes; }
  OpSite site() const { return graph_.site(node_); }
  size_t input_count() const { return node_.inputs.size(); }
  size_t output_count() const { return node_.outputs.size(); }
  /// kNoValue for an absent optional input.
  ValueId input(size_t i) const { return i < node_.inputs.size() ? node_.inputs[i] : kNoValue; }
  ValueId output(size_t i = 0) const { return node_.outputs[i]; }
  /// kNoValue when the loss does not depend on that output.
  ValueId gradient(size_t i = 0) const { return gradients_[static_cast<size_t>(node_.outputs[i])]; }
  bool wants(size_t i) const { return input(i) != kNoValue && wanted_[static_cast<size_t>(input(i))]; }
  /// By value: the list of values grows under a reference.
  Shape shape(ValueId value) const { return graph_.value(value).type.shape; }
  const Constant* constant(size_t i) const;

  /// Adds to the gradient of input i. Its shape must be the input's.
  void give(size_t i, ValueId gradient);
  [[noreturn]] void refuse(const std::string& what) const;

  ValueId op(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {});
  std::vector<ValueId> ops(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {});
  ValueId scalar(float value);
  ValueId ints(const std::vector<int64_t>& values);
  ValueId zeros(const Shape& shape);

  ValueId add(ValueId a, ValueId b) { return op("Add", {a, b}); }
  ValueId sub(ValueId a, ValueId b) { return op("Sub", {a, b}); }
  ValueId mul(ValueId a, ValueId b) { return op("Mul", {a, b}); }
  ValueId div(ValueId a, ValueId b) { return op("Div", {a, b}); }
  ValueId times(ValueId a, float factor) { return factor == 1 ? a : mul(a, scalar(factor)); }
  ValueId plus(ValueId a, float addend) { return op("Add", {a, scalar(addend)}); }

  /// The same elements as `shape`, of which one dimension at most is symbolic.
  ValueId reshape(ValueId value, const Shape& shape);
  /// Repeated to a concrete shape.
  ValueId expand(ValueId value, const Shape& shape);
  /// Summed over the axes along which `shape` was broadcast to the value's.
  ValueId sum_to(ValueId value, const Shape& shape);
  /// Axes in another order.
  ValueId transpose(ValueId value, const std::vector<int64_t>& perm);
  /// The last two axes exchanged.
  ValueId turned(ValueId value);

 private:
  std::string fresh_name(std::string_view op);

  Graph& graph_;
  Node node_;  ///< a copy: nodes move as rules add to them
  std::vector<ValueId>& gradients_;
  const std::vector<bool>& wanted_;
  int made_ = 0;
};

using GradientRule = void (*)(GradientScope& scope);

/// The rule of an operator, or null.
GradientRule find_gradient_rule(std::string_view op);

}  // namespace halftone
