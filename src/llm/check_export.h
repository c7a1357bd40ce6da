#pragma once

#include "base/file.h"
#include "graph/graph.h"

namespace halftone {

/// Reads an exported model back and compares it with the graph that was to be written: the same nodes with
/// the same attributes, every weight under an encoding code for code, other weights to within f16, tables of
/// rotary positions to within 1e-6 a position, the scale of embeddings to within bf16. Families whose
/// checkpoints hold weights in another form than their graphs (fused projections, norms less 1) fail here
/// unless the writer undoes it. Returns what was read; throws UnsupportedError naming the node or the
/// constant that differs.
Graph check_export(const Graph& graph, const fs::path& path);

}  // namespace halftone
