#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Concat (13): the inputs one after another along attribute axis; all else about their shapes agrees.
/// Where one of the sizes along the axis is symbolic, their sum is unknown.
const OpSchema& concat_schema();

}  // namespace halftone
