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
  if (!whole) {
    UNROLL
    for (int i = 0; i < 4; ++i)
      if (column + i < out.n) store_product(out, row, column + i, values[i]);
    return;
  }
  Vec4 y{values[0], values[1], values[2], values[3]};
  if (!is_plain(out))
    y = {finished(out, row, column, values[0]), finished(out, row, column + 1, values[1]),
         finished(out, row, column + 2, values[2]), finished(out, row, column + 3, values[3])};
  out.y.set_four(int64_t{row} * out.n + column, y);
}

}  // namespace halftone::cuda
