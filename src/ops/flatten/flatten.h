#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Flatten (13): the axes before attribute axis (1) become rows, the others columns.
const OpSchema& flatten_schema();

}  // namespace halftone
