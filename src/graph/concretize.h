#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// A graph at one set of sizes: every shape known.
struct ConcreteGraph {
  std::vector<ValueType> types;  ///< by value
  std::vector<OpSite> sites;     ///< by node
};

/// Puts sizes in the place of symbols (sizes[k] for the k-th) and runs the shape rules again.
ConcreteGraph concretize(const Graph& graph, std::span<const int64_t> sizes);
/// The same with sizes by the symbols' names. Throws UsageError when one is missing.
ConcreteGraph concretize(const Graph& graph, const std::map<std::string, int64_t>& sizes);

}  // namespace halftone
