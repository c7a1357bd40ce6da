#pragma once

#include <span>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Add, Sub, Mul, Div (14) and Mod (13): C = A op B, broadcast, for one number type on both sides.
///
/// Floating types are computed in f32 (f64 in itself); integers wrap around, their quotients are cut towards
/// zero, and division by zero gives 0. Mod has the sign of B, or with attribute fmod = 1 that of A, as
/// floating types must have it.
std::span<const OpSchema> arithmetic_schemas();

}  // namespace halftone
