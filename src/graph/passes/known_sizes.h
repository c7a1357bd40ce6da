#pragma once

#include <optional>
#include <span>
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
  /// A dimension of a value. One that is unknown is a symbol of this axis of this value, and of those that
  /// layers make of it without changing it.
  SizeTerm dim(ValueId value, int axis) const;
  /// Whether `target`, the shape that a Reshape or an Expand asks for, holds the dimensions of `value` in the
  /// order of `axes`.
  bool are_dims(ValueId target, ValueId value, std::span<const int> axes) const;

 private:
  std::optional<Terms> terms_of_constant(ValueId value) const;
  std::optional<Terms> made_by(const Node& node) const;
  std::optional<Terms> elementwise(const Node& node) const;

  /// A node that was visited keeps unknown axes of its first activation: those of its output are the same.
  void follow(const Node& node);

  const Graph& graph_;
  std::vector<ValueId>
      origins_;  ///< by value: the one whose axes (but the last, of layers) it has, or kNoValue
  mutable std::vector<std::optional<Terms>> terms_;  ///< by value; constants' when first asked for
};

}  // namespace halftone
