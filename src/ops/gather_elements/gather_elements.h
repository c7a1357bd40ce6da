#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX GatherElements (13): output[i, j, ...] = data at the same place, with the index along attribute axis
/// (0) taken from indices[i, j, ...]. Indices count from the back when negative; beyond the axis they give
/// NaN (0 for integers).
const OpSchema& gather_elements_schema();

}  // namespace halftone
