#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// A graph at one set of sizes. Every shape is known, unless it depends on numbers that only a run computes.
struct ConcreteGraph {
  std::vector<ValueType> types;  ///< by value
  std::vector<OpSite> sites;     ///< by node
  std::vector<Tensor> known;     ///< by value: what follows from the sizes alone (empty elsewhere)

  bool is_complete() const;  ///< whether every shape is known
};

/// Puts sizes in the place of symbols (sizes[k] for the k-th) and runs the shape rules again. Small values
/// that follow from shapes and constants (the shape that a Reshape asks for) are computed on the way.
ConcreteGraph concretize(const Graph& graph, std::span<const int64_t> sizes);
/// The same with the shapes of the graph's inputs, in their order: they may be unknown in the graph.
ConcreteGraph concretize_inputs(const Graph& graph, std::span<const Shape> inputs);
/// concretize() with sizes by the symbols' names. Throws UsageError when one is missing.
ConcreteGraph concretize(const Graph& graph, const std::map<std::string, int64_t>& sizes);

}  // namespace halftone
