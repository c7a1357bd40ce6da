#pragma once

#include "formats/onnx/imported_node.h"

namespace halftone {

/// Rewrites a node of an older operator set to what today's (the one Halftone's operators follow) says of the
/// same thing, and operators that others express (Upsample, Dropout, CastLike) to those.
///
/// Throws InputError where the node is wrong in itself, UnsupportedError for meanings that are gone
/// (training).
void upgrade(ImportedNode& node, NodeAppender& graph);

}  // namespace halftone
