#pragma once

#include "backend/cuda/conv/conv_kernels.h"

namespace halftone::cuda {

/// Stores one output: `at` is its place in Y, `output` its channel among all groups'.
DEVICE void finish(const FloatEnd& end, float sum, int64_t at, int output) {
  float value = multiply_add(sum, end.scales[output], end.bias[output]);
  if (end.residual) value += end.residual[at];
  end.y.set(at, activate(end.activation, value));
}
DEVICE void finish(const CodeEnd& end, int sum, int64_t at, int output) {
  sum += end.bias[output];
  if (end.residual)
    sum = sum * (1 << end.shift) + (int{end.residual[at]} - end.residual_zero) * end.factors[output];
  if (end.y_codes)
    end.y_codes[at] = requantize(end.requantizer, sum, output);
  else
    end.y_floats[at] = requantized_value(end.requantizer, sum, output);
}

DEVICE void finish(const DynamicEnd& end, int sum, int64_t at, int output) {
  float value = product(static_cast<float>(sum + end.offsets[output]), end.units[output]);
  value = product(value, end.scales[at / end.picture]);
  if (end.bias) value += end.bias[output];
  if (end.residual) value += end.residual[at];
  end.y[at] = activate(end.activation, value);
}

/// Where place `place` of all pictures lies in Y, and its window's first element in X.
struct ConvPlace {
  int64_t y;
  int64_t picture;
  int h, w;
};
DEVICE ConvPlace conv_place(const ConvGeometry& at, int place) {
  const int n = place / at.out_places, i = place - n * at.out_places;
  const int row = i / at.out_width, column = i - row * at.out_width;
  return {n * at.y_picture + int64_t{i} * at.y_place, n * at.x_picture, row * at.stride_h - at.pad_h,
          column * at.stride_w - at.pad_w};
}

}  // namespace halftone::cuda
