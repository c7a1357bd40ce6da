#pragma once

#include <span>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Max, Min, Sum, Mean (13): of one or more inputs of one type, broadcast together. Max and Min take any
/// number type and give NaN where an input has it; Sum and Mean take floating types. Computed in f32 (f64 in
/// itself), rounded once.
std::span<const OpSchema> variadic_schemas();

}  // namespace halftone
