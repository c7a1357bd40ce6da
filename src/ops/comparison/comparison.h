#pragma once

#include <span>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Equal (19), Less, Greater (13), LessOrEqual, GreaterOrEqual (16): a bool for each pair of elements of
/// two inputs of one type, broadcast. Nothing compares with NaN. Equal takes bool too.
std::span<const OpSchema> comparison_schemas();

/// ONNX And, Or, Xor (7), broadcast, and Not (1), all on bool.
std::span<const OpSchema> logic_schemas();

/// ONNX IsNaN and IsInf (20) of floating numbers; the latter's attributes detect_negative and detect_positive
/// (1 each) say which count.
std::span<const OpSchema> float_kind_schemas();

}  // namespace halftone
