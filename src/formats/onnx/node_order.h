#pragma once

#include <string>
#include <vector>

#include "formats/onnx/inline_functions.h"

namespace halftone {

/// Positions of the nodes in an order in which each value is made before it is read; as they stand where they
/// stand so. Throws InputError for a value that two nodes make, and for cycles.
std::vector<size_t> node_order(const std::vector<VersionedNode>& nodes, const std::string& source);

/// What to call a node in errors: its name, or what it makes.
std::string node_label(const OnnxNode& node);

}  // namespace halftone
