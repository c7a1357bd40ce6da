#pragma once

#include <vector>

#include "graph/concretize.h"

namespace halftone {

/// Where the values that a graph's nodes make lie in one arena, by liveness (see plan_memory()).
///
/// What a Concat joins along its outermost axis (as stored, axes of 1 aside) is made in its place inside the
/// whole, where it starts at a multiple of 64 bytes and the arena grows no larger by it; kernels of Concat
/// find it there and copy nothing.
struct ValueLayout {
  std::vector<ValueId> root;  ///< by value: whose bytes it has (aliases follow their input), itself elsewhere
  std::vector<size_t> offsets;  ///< by value; of roots that nodes make
  size_t arena_bytes = 0;
  int pieces_in_place = 0;  ///< inputs of Concats that are not copied
};

ValueLayout lay_out_values(const Graph& graph, const ConcreteGraph& concrete);

}  // namespace halftone
