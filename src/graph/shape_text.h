#pragma once

#include <string>

#include "graph/graph.h"

namespace halftone {

/// "[N, 3, 224, 224]": a shape with the names of the graph's symbols.
std::string shape_text(const Graph& graph, const Shape& shape);

}  // namespace halftone
