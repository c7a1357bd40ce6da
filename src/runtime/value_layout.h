#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "graph/concretize.h"
#include "runtime/plan.h"

namespace halftone {

/// Where the values that a graph's nodes make lie in one arena, by liveness (see plan_memory()).
///
/// What a Concat joins along its outermost axis (as stored, axes of 1 aside) is made in its place inside the
/// whole, where it starts at a multiple of 64 bytes and the arena grows no larger by it; kernels of Concat
/// find it there and copy nothing. So is what a Concat joins along the channels of channels-last values,
/// where nobody else reads it and the kernels can (PreparedKernel::spaces_rows() and keeps_rows()): its rows
/// are then parts of the rows of the whole.
struct ValueLayout {
  std::vector<ValueId> root;  ///< by value: whose bytes it has (aliases follow their input), itself elsewhere
  std::vector<size_t> offsets;     ///< by value; of roots that nodes make
  std::vector<int64_t> row_steps;  ///< by value: elements from row to row of such a part, 0 elsewhere
  size_t arena_bytes = 0;
  std::vector<bool> in_place;  ///< by value: an input of a Concat that is not copied

  int pieces_in_place() const { return static_cast<int>(std::count(in_place.begin(), in_place.end(), true)); }
};

/// `steps`: the plan's, by node; without them rows stay together.
ValueLayout lay_out_values(const Graph& graph, const ConcreteGraph& concrete,
                           std::span<const Step> steps = {});

}  // namespace halftone
