#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// Adds an operator to those that find_op() knows, after its own; the schema must live as long as the
/// program. For embedders: Halftone's own operators stand in ops.inc. Not while graphs are being read on
/// another thread.
void register_op(const OpSchema& schema);

}  // namespace halftone
