#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX GatherND (13): the last axis of indices holds the first coordinates of slices of data, behind
/// attribute batch_dims (0) axes that both share. Output: indices' axes but the last, then those of a slice.
/// Coordinates count from the back when negative; beyond an axis they give NaN (0 for integers).
const OpSchema& gather_nd_schema();

}  // namespace halftone
