#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// A part of a graph as a graph of its own.
struct Subgraph {
  Graph graph;                  ///< values and nodes keep their names; constants share their sources
  std::vector<ValueId> origin;  ///< by value of `graph`: which it is in the whole
  std::vector<ValueId>
      copy;  ///< by value of the whole: which it is in `graph`, kNoValue where it is not there

  ValueId to_copy(ValueId whole) const { return copy[static_cast<size_t>(whole)]; }
};

/// The nodes that `outputs` need when `inputs` are given. Graph inputs of the whole that they need too become
/// inputs as well, and so do states whose makers are not among the nodes. Dimensions that the whole does not
/// know stay unknown: two of them may be one size, as those beside each other in a Concat are. The outputs'
/// names are those of the values.
Subgraph extract(const Graph& whole, std::span<const ValueId> inputs, std::span<const ValueId> outputs);

/// Puts `part` in the place of the nodes [first, last) of `whole`. Values are matched by name; those that the
/// whole does not know are added. Constants of the whole that the part holds too become the part's if only
/// the replaced nodes use them, and stay as they are otherwise; so does what the whole makes elsewhere and
/// the part makes again from constants alone. The part's outputs must be values of the whole, or whatever
/// reads these goes without (verify() tells). Verifies.
void splice(Graph& whole, int first, int last, const Graph& part);

}  // namespace halftone
