#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// Which nodes every path from a node to the graph's outputs passes through. States (a KV cache) count for
/// nothing here: they are read by later runs.
///
/// Immediate post-dominators of a graph without cycles, in one sweep from the back: that of a node is the
/// nearest common one of its readers (Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm", 2001).
class PostDominators {
 public:
  explicit PostDominators(const Graph& graph);

  /// The first node that all paths from all of `nodes` pass through; one of them where it is so itself.
  /// Nothing but the graph's end in common: -1.
  int nearest_common(std::span<const int> nodes) const;

 private:
  int common(int a, int b) const;

  int end_;
  std::vector<int> next_;   ///< by node; end_ for the graph's end
  std::vector<int> depth_;  ///< steps to the end
};

}  // namespace halftone
