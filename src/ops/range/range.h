#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Range (11): start, start + delta, ... short of limit. The three are scalars of one number type; the
/// length is max(ceil((limit - start) / delta), 0), unknown until all three are known.
const OpSchema& range_schema();

}  // namespace halftone
