#pragma once

#include "graph/passes/pattern.h"

namespace halftone {

/// x, when `value` is its mean over the last axis, which stays as 1.
ValueId mean_of(const Graph& graph, const UseMap& uses, ValueId value);

/// What a Cast between floats casts; any other value itself. Exporters of 16 bits put Casts around what they
/// want computed in f32, as normalizations compute everything.
ValueId through_cast(const Graph& graph, const UseMap& uses, ValueId value);

/// Whether `value` is the square of `x`, or of what is cast of it.
bool is_square_of(const Graph& graph, const UseMap& uses, ValueId value, ValueId x);

/// The constant vector [width] that `node` combines `value` with, or kNoValue.
ValueId row_constant(const Graph& graph, const Node& node, ValueId value, int64_t width);

}  // namespace halftone
