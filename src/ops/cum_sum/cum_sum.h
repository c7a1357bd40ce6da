#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX CumSum (14): running sums along the axis that the scalar input axis names; from the back with
/// attribute reverse, without the element itself with attribute exclusive. Sums in double for floats, wraps
/// for integers.
const OpSchema& cum_sum_schema();

}  // namespace halftone
