#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace halftone {

/// Checks that a node read from a file has the inputs that its operator needs, and no others. Throws
/// InputError "WHERE: ...".
void check_node_inputs(const OpSchema& schema, const std::vector<ValueId>& inputs, const std::string& where);

}  // namespace halftone
