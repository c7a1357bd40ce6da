#pragma once

#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

constexpr int kTransposeOutputs = 4;

/// Y[n, m, o] = bias[m] + the sum of X[n, c, i] W[c, m, t] over the channels c of m's group and the taps t
/// for which i stride - pad + t dilation = o, up to three spatial axes (leading ones of size 1 where there
/// are fewer). Planar or channels-last, taps after taps, channels within. A thread has one place of four
/// outputs. Grid: blocks of places; groups by fours of outputs; pictures.
struct ConvTransposeArgs {
  const void* x;     ///< of the type that the kernel is named by
  const float* w;    ///< [groups, fours, taps, group_inputs, 4], zeros behind the last output
  const void* bias;  ///< null: none; of that type too
  void* y;
  int32_t size[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
  int32_t groups, group_inputs, group_outputs;
  int64_t x_place, x_channel, y_place, y_channel;  ///< elements from one to the next
};
DECLARE_DEVICE_KERNEL(conv_transpose_f32, ConvTransposeArgs);
DECLARE_DEVICE_KERNEL(conv_transpose_f16, ConvTransposeArgs);
DECLARE_DEVICE_KERNEL(conv_transpose_bf16, ConvTransposeArgs);

}  // namespace halftone::cuda
