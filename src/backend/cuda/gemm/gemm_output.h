#pragma once

#include "backend/cuda/device/floats.h"
#include "backend/cuda/fused_activation.h"

namespace halftone::cuda {

/// Y [m, n] = activation(alpha * product + beta * C + residual).
struct GemmOutput {
  FloatsOut y;
  Floats c;  ///< null: none
  int64_t c_row_step, c_column_step;
  float alpha, beta;
  DeviceActivation activation;
  int m, n;
  Floats residual;  ///< null: none; lies as Y does
};

/// Y is the product itself.
DEVICE bool is_plain(const GemmOutput& out) {
  return out.alpha == 1 && !out.c && !out.residual && out.activation.kind == DeviceActivation::none;
}

/// Each step rounded as ops/gemm/gemm.h says.
DEVICE float finished(const GemmOutput& out, int row, int column, float value) {
  if (out.alpha != 1) value = product(value, out.alpha);
  if (out.c) value += product(out.beta, out.c[row * out.c_row_step + column * out.c_column_step]);
  if (out.residual) value += out.residual[int64_t{row} * out.n + column];
  if (out.activation.kind != DeviceActivation::none) value = activate(out.activation, value);
  return value;
}
DEVICE void store_product(const GemmOutput& out, int row, int column, float value) {
  out.y.set(int64_t{row} * out.n + column, finished(out, row, column, value));
}

/// Whether four neighbouring outputs can be stored at once.
DEVICE bool stores_fours(const GemmOutput& out) {
  return out.n % 4 == 0 && reinterpret_cast<uintptr_t>(out.y.data) % alignof(Vec4) == 0;
}
/// Outputs `column` to `column` + 3, as far as there are such; all of them where `whole`.
DEVICE void store_products(const GemmOutput& out, int row, int column, const float (&values)[4], bool whole) {
  const bool plain = is_plain(out);
  float y[4];
  UNROLL
  for (int i = 0; i < 4; ++i)
    y[i] = plain || column + i >= out.n ? values[i] : finished(out, row, column + i, values[i]);
  const int64_t first = int64_t{row} * out.n + column;
  if (whole) return out.y.set_four(first, {y[0], y[1], y[2], y[3]});
  UNROLL
  for (int i = 0; i < 4; ++i)
    if (column + i < out.n) out.y.set(first + i, y[i]);
}

}  // namespace halftone::cuda
