#pragma once

#include <vector>

#include "graph/graph.h"

namespace halftone {

/// Answers the two questions that pattern matching asks, for one state of a graph.
class UseMap {
 public:
  explicit UseMap(const Graph& graph);

  /// Position of the node that makes the value, or -1 (inputs, constants).
  int maker(ValueId value) const { return makers_[static_cast<size_t>(value)]; }
  /// Whether the value has one use in all, graph outputs counted.
  bool only_feeds_one(ValueId value) const;
  bool is_made_by(ValueId value, std::string_view op) const;

 private:
  const Graph& graph_;
  std::vector<int> makers_;
  std::vector<int> uses_;
};

}  // namespace halftone
