#pragma once

#include <optional>
#include <string>
#include <unordered_map>
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
  /// The first node that reads the value, or null.
  const Node* read_by(ValueId value) const;
  int first_reader(ValueId value) const { return readers_[static_cast<size_t>(value)]; }
  /// Whether the value has one use in all, graph outputs counted.
  bool only_feeds_one(ValueId value) const { return uses(value) == 1; }
  /// Its uses in all, graph outputs counted.
  int uses(ValueId value) const { return uses_[static_cast<size_t>(value)]; }
  bool is_made_by(ValueId value, std::string_view op) const;
  bool is_output(ValueId value) const { return outputs_[static_cast<size_t>(value)]; }

 private:
  const Graph& graph_;
  std::vector<int> makers_;
  std::vector<int> readers_;
  std::vector<int> uses_;
  std::vector<bool> outputs_;
};

/// The number of a floating constant of one element, or nothing.
std::optional<float> scalar_constant(const Graph& graph, ValueId value);
/// Whether it is that number, within a rounding of it.
bool is_scalar(const Graph& graph, ValueId value, float number);

/// The elements of a plain (not encoded) floating constant as f32, or an empty tensor.
Tensor float_constant(const Graph& graph, ValueId value);
/// [channels]: the same where it broadcasts to one element a channel (axis 1) of values of `shape`, or an
/// empty tensor.
Tensor channel_constant(const Graph& graph, ValueId value, const Shape& shape);

/// Runs all shape rules again: nodes that a pass wrote may know more of a shape than those before them.
void infer_types(Graph& graph);

/// Constants that a pass adds beside the nodes that will read them, and nothing else.
class PassConstants {
 public:
  explicit PassConstants(Graph& graph) : graph_(graph) {}
  /// Named NAME, or NAME with a number where that is taken.
  ValueId add(const std::string& name, Constant constant);

 private:
  Graph& graph_;
  std::unordered_map<std::string, int>
      taken_;  ///< names, and the last number tried behind each; empty at first
};
/// One of them.
ValueId add_pass_constant(Graph& graph, const std::string& name, Constant constant);

/// Nodes that a pass adds before others while it walks over them.
class AddedNodes {
 public:
  explicit AddedNodes(Graph& graph) : graph_(graph) {}
  /// What a node makes that is to stand before the node at `position`; it and its value are named NAME, or
  /// NAME with a number where that is taken.
  ValueId before(size_t position, std::string_view op, const std::string& name, std::vector<ValueId> inputs,
                 Attributes attributes = {});
  /// Puts them in, and leaves out the graph's nodes marked in `gone`.
  void apply(const std::vector<bool>& gone);

 private:
  Graph& graph_;
  std::unordered_map<std::string, int> taken_;
  std::vector<std::pair<size_t, Node>> added_;  ///< by position, in the order of their making
};

/// Uses of values that become uses of others, in one walk over the graph.
class Replacements {
 public:
  explicit Replacements(const Graph& graph);
  void add(ValueId from, ValueId to) { instead_[static_cast<size_t>(from)] = (*this)(to); }
  /// What is read in the place of `value` (kNoValue and values made later: themselves).
  ValueId operator()(ValueId value) const {
    return static_cast<size_t>(value) < instead_.size() ? instead_[static_cast<size_t>(value)] : value;
  }
  void apply(Node& node) const;
  /// To what nodes read and what the graph gives.
  void apply(Graph& graph) const;
  /// To what the nodes read and make: another value stands for each from then on.
  void rename(std::span<Node> nodes) const;

 private:
  std::vector<ValueId> instead_;
};

}  // namespace halftone
