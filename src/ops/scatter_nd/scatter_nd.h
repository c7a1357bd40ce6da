#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX ScatterND (18): data, with slices of updates put where the last axis of indices, the first
/// coordinates in data, says, by attribute reduction: "none" (the last one stays), "add", "mul", "max",
/// "min". Coordinates count from the back when negative; updates beyond an axis are dropped.
const OpSchema& scatter_nd_schema();

}  // namespace halftone
