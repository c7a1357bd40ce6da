#pragma once

#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// A size as far as it is known: a number times symbols.
struct SizeTerm {
  int64_t number = 0;
  std::vector<int64_t> symbols = {};  ///< in order; none: it is the number

  bool is_number() const { return symbols.empty(); }
  friend bool operator==(const SizeTerm&, const SizeTerm&) = default;
};

/// What vectors and scalars of integers hold where exporters compute shapes (Shape, Gather, Mul, Concat),
/// element by element: some may be known while others are not.
class KnownSizes {
 public:
  using Terms = std::vector<std::optional<SizeTerm>>;

  explicit KnownSizes(const Graph& graph) : graph_(graph) {}

  /// Learns what a node makes; to be called in the order of the nodes.
  void visit(const Node& node);
  /// Null where nothing is known of the value.
  const Terms* of(ValueId value) const;
  /// Whether a symbol is one of the graph's.
  static bool is_of_graph(int64_t symbol);
  /// A dimension of a value. One that is unknown is a symbol of this axis of this value, and of all values
  /// whose axes have the same size because of what makes them.
  SizeTerm dim(ValueId value, int axis) const;
  /// Whether two values have one shape whatever the run brings: unknown sizes are not equal for being
  /// unknown.
  bool are_alike(ValueId a, ValueId b) const;
  /// Whether `target`, the shape that a Reshape or an Expand asks for, holds the dimensions of `value` in the
  /// order of `axes`.
  bool are_dims(ValueId target, ValueId value, std::span<const int> axes) const;

 private:
  std::optional<Terms> terms_of_constant(ValueId value) const;
  std::optional<Terms> made_by(const Node& node) const;
  std::optional<Terms> elementwise(const Node& node) const;

  /// An unknown dimension of what a node makes, as far as it follows from its inputs.
  std::optional<SizeTerm> followed(const Node& node, int axis);
  std::optional<SizeTerm> broadcast(const Node& node, int axis) const;
  std::optional<SizeTerm> reshaped(const Node& node, int axis);
  std::optional<SizeTerm> expanded(const Node& node, int axis) const;
  std::optional<SizeTerm> with_other_ones(const Node& node, int axis) const;
  std::optional<SizeTerm> windows(const Node& node, int axis);
  void follow(const Node& node);

  /// How many places a window has along an axis.
  struct Windows {
    SizeTerm size;
    int64_t room, stride;  ///< (size + room) / stride + 1 of them
    SizeTerm count;
  };
  /// What -1 stands for where so many elements are parted.
  struct Rest {
    SizeTerm all, others, size;
  };

  const Graph& graph_;
  std::unordered_map<ValueId, std::vector<SizeTerm>> dims_;  ///< of values with unknown ones
  std::vector<Windows> windows_;
  std::vector<Rest> rests_;
  mutable std::vector<std::optional<Terms>> terms_;  ///< by value; constants' when first asked for
};

/// What is known of all nodes of a graph.
KnownSizes known_sizes(const Graph& graph);

}  // namespace halftone
