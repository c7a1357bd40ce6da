#pragma once

#include "ops/integer_weights.h"
#include "ops/requantizer.h"

namespace halftone {

/// A Gemm, or a MatMul by a constant matrix, on codes: rows of A times constant integer weights.
struct CodeProduct {
  int64_t rows, columns, outputs;
  int output_axis;  ///< of the weights: 0 (transB) or 1
};
CodeProduct code_product(const OpSite& site);

/// Why the site has no integer meaning; empty when it has. It needs A stored as codes (transA = 0), weights
/// as integer_weights_refusal() wants them, alpha = beta = 1, and as C nothing or a constant for each output.
/// Y may be wide where no activation follows.
std::string integer_product_refusal(const OpSite& site);

/// The same of kernels that read and write row by row: A and Y must be stored planar.
std::string integer_rows_refusal(const OpSite& site);

/// sum = bias + sum over k of (A - zero) B, then as ops/requantizer.h says.
void integer_product_reference(const OpSite& site, std::span<const Operand> inputs,
                               std::span<const MutableTensorView> outputs);

/// The weights of a site that has an integer meaning, from its constant B; C is their bias.
IntegerWeights product_weights(const OpSite& site);

/// The constant C as f32, one an output; empty when there is none.
std::vector<float> product_bias(const OpSite& site, int64_t outputs);

}  // namespace halftone
