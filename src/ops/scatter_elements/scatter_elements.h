#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX ScatterElements (18): data, with updates[i, j, ...] put at the place that indices[i, j, ...] names
/// along attribute axis (0), by attribute reduction: "none" (the last one stays), "add", "mul", "max", "min".
/// Indices count from the back when negative; updates beyond the axis are dropped.
const OpSchema& scatter_elements_schema();

}  // namespace halftone
