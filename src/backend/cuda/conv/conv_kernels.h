#pragma once

#include "backend/cuda/codes/code_math.h"
#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

/// What a convolution over up to two spatial axes reads and writes, in elements. A tensor's element (n, c, h,
/// w) lies at n * picture + c * channel + h * row + w * column; the output's and the residual's places are
/// evenly apart.
struct ConvGeometry {
  int64_t x_picture, y_picture;
  int32_t x_row, x_column, x_channel;
  int32_t y_place, y_channel;
  int32_t height, width;          ///< of X
  int32_t out_width, out_places;  ///< of a picture of Y
  int32_t places;                 ///< of all pictures
  int32_t kernel_width, taps;
  int32_t stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
  int32_t group_inputs, group_outputs;
};

/// How sums of codes end (ops/requantizer.h), the bias being part of them. Exactly one of y_codes and
/// y_floats is there.
struct CodeEnd {
  const int32_t* bias;      ///< [outputs]; where sums are of plain codes, less what X's zero adds
  const uint8_t* residual;  ///< null: none; lies as Y does
  const int32_t* factors;   ///< [outputs], of the residual
  int32_t shift, residual_zero;
  DeviceRequantizer requantizer;
  uint8_t* y_codes;
  float* y_floats;
};

/// y = activation(scale * sum + bias + residual), in f32.
struct FloatEnd {
  const float* scales;  ///< [outputs]
  const float* bias;    ///< [outputs]
  Floats residual;      ///< null: none
  DeviceActivation activation;
  FloatsOut y;
};

/// How sums of codes under a scale of each picture end (ops/conv/conv_dynamic.h).
struct DynamicEnd {
  const float* units;      ///< [outputs], scales of the weights
  const int32_t* offsets;  ///< [outputs], added to sums of codes plus 128
  const float* scales;     ///< [pictures]
  const float* bias;       ///< [outputs]; null: none
  const float* residual;   ///< null: none; lies as Y does
  DeviceActivation activation;
  int64_t picture;  ///< elements of Y
  float* y;
};

/// Columns of a group's matrix of weights are tap * group_inputs + channel. Its B fragments (device/matrix.h)
/// lie as [group][tile of 8 outputs][chunk][lane][4 words]: a chunk is two products deep (32 columns of f16,
/// 64 of s8), its words those of the first product and of the second. Missing columns and outputs are 0.
struct ConvWeights {
  const uint32_t* fragments;
  int32_t tiles;    ///< of 8 outputs, of a group; whole blocks of kConvTile outputs
  int32_t chunks;   ///< of a group
  int32_t columns;  ///< without the missing ones
};

/// Y as the product of its places by X's taps: blocks of 4 warps make `tile` places by `tile` outputs of one
/// group. Grid: places, outputs of a group, groups.
struct FloatConvArgs {
  const void* x;  ///< of the type that the kernel is for
  ConvGeometry at;
  ConvWeights weights;
  FloatEnd end;
};
struct CodeConvArgs {
  const uint8_t* x;
  ConvGeometry at;
  ConvWeights weights;
  CodeEnd end;
  uint32_t padding;  ///< four times the code that stands for 0
};

struct DynamicConvArgs {
  const uint8_t* x;
  ConvGeometry at;
  ConvWeights weights;
  DynamicEnd end;
  uint32_t padding;
};

constexpr int kConvThreads = 128;
constexpr int kConvTile = 64, kConvSmallTile = 32;
constexpr size_t kConvRowBytes = 80;  ///< of a chunk of a place: 64, and room that keeps banks apart
constexpr size_t conv_shared_bytes(int tile) {
  return static_cast<size_t>(tile) * (16 + 2 * kConvRowBytes);
}

// conv_f16_TILE_vN: N channels are read at a time, and lie together. X is f32; _of_f16, _of_bf16: that, and
// weights of bf16 beside the latter.
DECLARE_DEVICE_KERNEL(conv_f16_64_v4, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_f16_64_v2, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_f16_64_v1, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_f16_32_v4, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_f16_32_v2, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_f16_32_v1, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_f16_64_v8, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_f16_64_v2, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_f16_64_v1, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_f16_32_v8, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_f16_32_v2, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_f16_32_v1, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_bf16_64_v8, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_bf16_64_v2, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_bf16_64_v1, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_bf16_32_v8, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_bf16_32_v2, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_of_bf16_32_v1, FloatConvArgs);
DECLARE_DEVICE_KERNEL(conv_s8_64_v16, CodeConvArgs);
DECLARE_DEVICE_KERNEL(conv_s8_64_v4, CodeConvArgs);
DECLARE_DEVICE_KERNEL(conv_s8_64_v1, CodeConvArgs);
DECLARE_DEVICE_KERNEL(conv_s8_32_v16, CodeConvArgs);
DECLARE_DEVICE_KERNEL(conv_s8_32_v4, CodeConvArgs);
DECLARE_DEVICE_KERNEL(conv_s8_32_v1, CodeConvArgs);

DECLARE_DEVICE_KERNEL(conv_dynamic_64_v16, DynamicConvArgs);
DECLARE_DEVICE_KERNEL(conv_dynamic_64_v4, DynamicConvArgs);
DECLARE_DEVICE_KERNEL(conv_dynamic_64_v1, DynamicConvArgs);
DECLARE_DEVICE_KERNEL(conv_dynamic_32_v16, DynamicConvArgs);
DECLARE_DEVICE_KERNEL(conv_dynamic_32_v4, DynamicConvArgs);
DECLARE_DEVICE_KERNEL(conv_dynamic_32_v1, DynamicConvArgs);

/// One channel a group, X and Y channels-last: a thread makes N neighbouring channels of a place. Weights are
/// [taps, channels].
struct FloatDepthwiseArgs {
  const void* x;  ///< f32 unless the kernel's name says otherwise
  const float* weights;
  ConvGeometry at;
  FloatEnd end;
  int32_t channels;
};
struct CodeDepthwiseArgs {
  const uint8_t* x;
  const int8_t* weights;
  ConvGeometry at;
  CodeEnd end;
  int32_t channels;
  int32_t zero;  ///< of X
};
DECLARE_DEVICE_KERNEL(conv_depthwise_v4, FloatDepthwiseArgs);
DECLARE_DEVICE_KERNEL(conv_depthwise_v2, FloatDepthwiseArgs);
DECLARE_DEVICE_KERNEL(conv_depthwise_v1, FloatDepthwiseArgs);
DECLARE_DEVICE_KERNEL(conv_depthwise_of_f16_v4, FloatDepthwiseArgs);
DECLARE_DEVICE_KERNEL(conv_depthwise_of_f16_v1, FloatDepthwiseArgs);
DECLARE_DEVICE_KERNEL(conv_depthwise_of_bf16_v4, FloatDepthwiseArgs);
DECLARE_DEVICE_KERNEL(conv_depthwise_of_bf16_v1, FloatDepthwiseArgs);
DECLARE_DEVICE_KERNEL(conv_depthwise_codes_v4, CodeDepthwiseArgs);
DECLARE_DEVICE_KERNEL(conv_depthwise_codes_v1, CodeDepthwiseArgs);

/// Any Conv of f32, three spatial axes at most: a thread makes one output, summing in f32. Weights and bias
/// lie as the operator has them.
struct PlainConvArgs {
  const float* x;
  const float* weights;
  const float* bias;      ///< null: none
  const float* residual;  ///< null: none
  float* y;
  int64_t count;  ///< outputs
  int64_t x_picture, x_channel, y_picture, y_channel;
  int64_t x_step[3];
  int64_t y_place;
  int32_t size[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
  int32_t outputs, group_inputs, group_outputs;
  DeviceActivation activation;
};
DECLARE_DEVICE_KERNEL(conv_plain_kernel, PlainConvArgs);

}  // namespace halftone::cuda
