#pragma once

#include <vector>

#include "runtime/plan.h"

namespace halftone {

/// The half of compile() that needs no kernel and no weight: passes, encodings of activations, the layout for
/// a backend (where options.backend is set), codes. Returns what each pass did. Planning a graph that is not
/// to be run needs this half alone.
std::vector<PassReport> rewrite_to_run(Graph& graph, const CompileOptions& options);

}  // namespace halftone
