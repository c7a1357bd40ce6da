#pragma once

#include <vector>

#include "graph/concretize.h"

namespace halftone {

/// Where the values that a graph's nodes make lie in one arena, by liveness (see plan_memory()).
struct ValueLayout {
  std::vector<ValueId> root;  ///< by value: whose bytes it has (aliases follow their input), itself elsewhere
  std::vector<size_t> offsets;  ///< by value; of roots that nodes make
  size_t arena_bytes = 0;
};

ValueLayout lay_out_values(const Graph& graph, const ConcreteGraph& concrete);

}  // namespace halftone
