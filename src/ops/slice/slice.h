#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Slice (13): data[start:end:step] along some axes; negative indices count from the back, those beyond
/// an end are cut to it. starts, ends, axes, steps are constants. An axis of symbolic size stays whole, or
/// its new size is unknown.
const OpSchema& slice_schema();

}  // namespace halftone
