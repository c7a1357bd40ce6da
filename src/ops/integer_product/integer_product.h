#pragma once

#include <span>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX MatMulInteger (10) and QLinearMatMul (21): products of u8 or i8 matrices, batched and broadcast as
/// MatMul does, each code less its zero point.
///
/// MatMulInteger gives the i32 sums (they wrap around); QLinearMatMul gives y = saturate(round(sum * (a_scale
/// * b_scale / y_scale)) + y_zero_point), halves to even, the factor and the product in f32.
/// Zero points and scales are one for all, one a row of A ([M]) or a column of B ([N]), or broadcast as
/// given.
std::span<const OpSchema> integer_mat_mul_schemas();

/// ONNX ConvInteger (10) and QLinearConv (10): the same for convolutions of u8 or i8, attributes as Conv's.
/// Weights may have one scale and zero point an output channel ([M]); B of QLinearConv is i32, added to the
/// sum. Padding stands for x's zero point.
std::span<const OpSchema> integer_conv_schemas();

/// A tensor of scales or zero points as it lies over one of `rank` dimensions: one of a single element as a
/// scalar, a vector along `axis`, anything else as it is.
Shape spread_shape(const Shape& shape, int axis, int rank);

/// Codes less their zero point, which lies along `axis` of x. `zero` may be null.
std::vector<int32_t> centred(const Tensor& x, const Operand* zero, int axis);

/// Writes y = saturate(round(sum * factor) + zero), as above.
class Requantizer {
 public:
  /// Scales of the two factors, along `first_axis` and `second_axis` of y; scale and zero of y are scalars.
  Requantizer(const Operand& first, int first_axis, const Operand& second, int second_axis,
              const Operand& y_scale, const Operand& y_zero);
  void write(std::span<const int32_t> sums, const MutableTensorView& y) const;

 private:
  Tensor first_, second_;
  int first_axis_, second_axis_;
  float y_scale_;
  double y_zero_;
};

/// InputError unless inputs[input] is u8 or i8.
void require_codes(const OpSite& site, size_t input);
/// InputError unless inputs[scale] is floating and inputs[zero] has the type of inputs[codes] (each where
/// present).
void require_scale_and_zero(const OpSite& site, size_t scale, size_t zero, size_t codes);

}  // namespace halftone
