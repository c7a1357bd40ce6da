#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX QuantizeLinear (25): y = saturate(round(x / y_scale) + y_zero_point), halves to even.
///
/// Inputs: x (floating or i32), y_scale (floating), y_zero_point (y's type; absent: 0). Scales and zeros are
/// one for all, [x's size along attribute axis (1)], or, with attribute block_size, of x's shape with one
/// element for each block_size along that axis.
/// y: u8, i8, u16 or i16, the zero point's type or else attribute output_dtype's (ONNX's number; u8).
/// Attributes precision and saturate change nothing: the reference divides in f32.
const OpSchema& quantize_linear_schema();

/// ONNX DequantizeLinear (25): y = (x - x_zero_point) * x_scale, for x of u8, i8, u16, i16 or i32; scales and
/// zeros as above. y has x_scale's type or that of attribute output_dtype; computed in f32.
const OpSchema& dequantize_linear_schema();

/// ONNX DynamicQuantizeLinear (11): f32 x to u8 y, y_scale = (max - min) / 255 and y_zero_point =
/// saturate(round(-min / y_scale)), the range [min, max] widened to hold 0.
const OpSchema& dynamic_quantize_linear_schema();

/// Where the scale of each element of x lies, by the rule above.
struct ScalePlaces {
  int64_t inner = 1;  ///< elements of x to step over along the axis
  int64_t size = 1;   ///< of that axis
  int64_t block = 0;  ///< 0: one scale an index of the axis
  bool single = false;

  size_t operator()(int64_t i) const {
    if (single) return 0;
    const int64_t index = i / inner % size;
    if (block == 0) return static_cast<size_t>(index);
    const int64_t blocks = (size + block - 1) / block;
    return static_cast<size_t>((i / inner / size * blocks + index / block) * inner + i % inner);
  }
};
ScalePlaces scale_places(const OpSite& site);

}  // namespace halftone
