#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX NonZero (13): the places of the elements that are not 0, one a column in row-major order: i64 [rank,
/// n], where n is unknown until the input is at hand. A scalar counts as a vector of one.
const OpSchema& non_zero_schema();

}  // namespace halftone
