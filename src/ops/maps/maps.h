#pragma once

#include <span>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX's operators of one floating input that are a function of each element, computed in f32: a row of
/// float_maps.cpp each, with its formula, its attributes and their defaults. The opset is the last that
/// changed their meaning: 22 for the trigonometric ones, Elu, Selu, HardSwish, Softplus and their like, 24
/// for Swish, 13 for the rest.
std::span<const OpSchema> float_map_schemas();

/// Those on any number type: Abs (13), Neg (13), Relu (14), Sign (13). Integers wrap around: the smallest is
/// its own negative. NaN stays NaN.
std::span<const OpSchema> number_map_schemas();

}  // namespace halftone
