#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// Answers the questions that pattern matching asks, for one state of a graph.
class UseMap {
 public:
  explicit UseMap(const Graph& graph);

  /// Position of the node that makes the value, or -1 (inputs, constants).
  int maker(ValueId value) const { return makers_[static_cast<size_t>(value)]; }
  /// The node itself, or null.
  const Node* made_by(ValueId value) const;
  /// The node if it is that operator and without encodings on its uses, or null.
  const Node* made_by(ValueId value, std::string_view op) const;
  /// Whether the value has one use in all, graph outputs counted.
  bool only_feeds_one(ValueId value) const;
  bool is_made_by(ValueId value, std::string_view op) const;

 private:
  const Graph& graph_;
  std::vector<int> makers_;
  std::vector<int> uses_;
};

/// The number of a floating constant of one element, or nothing.
std::optional<float> scalar_constant(const Graph& graph, ValueId value);
/// Whether it is that number, within a rounding of it.
bool is_scalar(const Graph& graph, ValueId value, float number);

/// The elements of a plain (not encoded) floating constant as f32, or an empty tensor.
Tensor float_constant(const Graph& graph, ValueId value);

/// Adds a constant beside the node that will read it: NAME, or NAME with a number where that is taken.
ValueId add_pass_constant(Graph& graph, const std::string& name, Constant constant);

}  // namespace halftone
