#pragma once

#include "backend/kernel.h"
#include "graph/graph.h"

namespace halftone {

/// Nodes on f16 or bf16 that no kernel of the backend takes, but one would in f32, stand between Casts: each
/// value they read is widened once, and what they make is rounded to the type it had. That is what such an
/// operator means (references compute in f32 and round what they store), so every number stays as it was.
/// Constants stay short where a kernel takes them so. Returns how many nodes it changed.
int widen_short_floats(Graph& graph, const Backend& backend);

}  // namespace halftone
