#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Identity (16): the input under another name.
const OpSchema& identity_schema();

}  // namespace halftone
