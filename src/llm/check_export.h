#pragma once

#include "base/file.h"
#include "graph/graph.h"

namespace halftone {

/// Reads an exported folder back and compares it with the graph that it was written from: every weight under
/// an encoding code for code, norms and biases to within f16. Families whose checkpoints hold weights in
/// another form than their graphs (fused projections, norms less 1) fail here. Throws UnsupportedError naming
/// the constant that differs.
void check_export(const Graph& graph, const fs::path& folder);

}  // namespace halftone
