#pragma once

#include <string>
#include <vector>

#include "ops/op_schema.h"

namespace halftone {

/// The constant weights of a layer whose activations are u8 codes, as exact integers. With x the codes of the
/// input, z their zero and w the weights' codes, a sum of the layer is
///   bias + sum of (x - z) w,
/// exact in 32 bits, and stands for sum * unit. Weights of a negative scale have their signs turned (the code
/// that would be 128 is 127). Where weights are so small beside the bias that this would not fit 29 bits in
/// their unit, the unit is 2^-20 of the bias and the weights' codes are rounded to it.
struct IntegerWeights {
  int64_t outputs = 0, columns = 0;
  std::vector<int8_t> codes;  ///< [outputs, columns]
  std::vector<int32_t> sums;  ///< of each output's codes
  std::vector<double> units;  ///< of each output: the product of the scales of input and weights
  std::vector<int32_t> bias;  ///< the layer's own, divided by the unit, to nearest
};

/// Whether every sum of inputs with |x - z| <= reach is exact in f32: below 2^24.
bool sums_fit_floats(const IntegerWeights& weights, int32_t reach);

/// A residual in codes that joins exact sums: they are shifted left, and (r - zero) factors[i] is added at
/// output i, the factor being what a code of the residual stands for in shifted units, to nearest. The shift
/// is the largest, 6 at most, that keeps every sum in 32 bits. Where weights are so small beside the residual
/// that no factor of 21 bits says so, their unit becomes 2^-15 of the residual's scale.
struct IntegerResidual {
  int32_t shift = 0;
  std::vector<int32_t> factors;
};
/// Divides weights.units by 2^shift, for the sums are shifted when they end, and may round weights.codes.
IntegerResidual integer_residual(IntegerWeights& weights, const CodeScale& residual);

/// Columns that 255 * 127 can be summed over in 32 bits, with as much left for a bias.
inline constexpr int64_t kIntegerColumnsMax = 32768;

/// Why inputs[1] of this site are no such weights (and inputs[2], if present, no such bias); empty when they
/// are: inputs[0] stored as codes, constant symmetric integers of 8 bits at most with one scale a tensor or
/// an output, `columns` of them for each output.
std::string integer_weights_refusal(const OpSite& site, int output_axis, int64_t columns);

/// `bias` may be empty. Outputs run along `output_axis` of the weights, 0 or the last of a matrix.
IntegerWeights integer_weights(const OpSite& site, const QuantizedTensor& weights, int output_axis,
                               std::span<const float> bias);

/// The bias that goes with code products: the layer's own less what the zero of the input adds, where the
/// codes are taken less `code_bias`.
inline int32_t folded_bias(const IntegerWeights& weights, size_t output, const CodeScale& input,
                           int32_t code_bias = 0) {
  return weights.bias[output] - (input.zero - code_bias) * weights.sums[output];
}

}  // namespace halftone
