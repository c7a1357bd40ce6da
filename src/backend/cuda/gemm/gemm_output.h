#pragma once

#include "backend/cuda/fused_activation.h"

namespace halftone::cuda {

/// Y [m, n] = activation(alpha * product + beta * C + residual).
struct GemmOutput {
  float* y;
  const float* c;  ///< null: none
  int64_t c_row_step, c_column_step;
  float alpha, beta;
  DeviceActivation activation;
  int m, n;
  const float* residual;  ///< null: none; lies as Y does
};

/// Y is the product itself.
DEVICE bool is_plain(const GemmOutput& out) {
  return out.alpha == 1 && !out.c && !out.residual && out.activation.kind == DeviceActivation::none;
}

/// Each step rounded as ops/gemm/gemm.h says.
DEVICE void store_product(const GemmOutput& out, int row, int column, float value) {
  if (out.alpha != 1) value = product(value, out.alpha);
  if (out.c) value += product(out.beta, out.c[row * out.c_row_step + column * out.c_column_step]);
  if (out.residual) value += out.residual[int64_t{row} * out.n + column];
  if (out.activation.kind != DeviceActivation::none) value = activate(out.activation, value);
  out.y[int64_t{row} * out.n + column] = value;
}

}  // namespace halftone::cuda
