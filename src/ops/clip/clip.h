#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Clip (13): Y = min(max(input, min), max), for any number type; min and max are optional scalars of
/// that type. Where min is above max, the result is max. NaN stays NaN.
const OpSchema& clip_schema();

}  // namespace halftone
