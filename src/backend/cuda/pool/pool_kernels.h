#pragma once

#include "backend/cuda/codes/code_math.h"
#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

/// Windows over up to three spatial axes (leading ones of size 1 where there are fewer), a thread an output.
/// Element (n, c, place) lies at n * picture + c * channel + place * step.
struct PoolArgs {
  const void* x;
  void* y;
  int64_t count;  ///< outputs
  int64_t x_picture, x_channel, x_place, y_picture, y_channel, y_place;
  int32_t size[3], out[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
  int32_t channels;
  bool channels_last;  ///< neighbouring threads take neighbouring channels; places otherwise
  bool count_padding;  ///< in an average's divisor
  DeviceCodes codes;   ///< of X, for the average of codes
  DeviceRequantizer requantizer;
};

DECLARE_DEVICE_KERNEL(max_pool_f32, PoolArgs);
DECLARE_DEVICE_KERNEL(max_pool_f16, PoolArgs);
DECLARE_DEVICE_KERNEL(max_pool_bf16, PoolArgs);
DECLARE_DEVICE_KERNEL(max_pool_u8, PoolArgs);
/// Sums in f32, over the elements that are there, then divides.
DECLARE_DEVICE_KERNEL(average_pool_f32, PoolArgs);
DECLARE_DEVICE_KERNEL(average_pool_f16, PoolArgs);
DECLARE_DEVICE_KERNEL(average_pool_bf16, PoolArgs);
/// ops/pool_integer.h.
DECLARE_DEVICE_KERNEL(average_pool_u8, PoolArgs);

/// The mean of each channel of each picture: a warp of a block of 8 takes every eighth place of 32 channels
/// (channels-last), or a block one channel (planar). Codes as average_pool_u8.
DECLARE_DEVICE_KERNEL(global_average_f32, PoolArgs);
DECLARE_DEVICE_KERNEL(global_average_f16, PoolArgs);
DECLARE_DEVICE_KERNEL(global_average_bf16, PoolArgs);
DECLARE_DEVICE_KERNEL(global_average_u8, PoolArgs);
/// The largest instead.
DECLARE_DEVICE_KERNEL(global_max_f32, PoolArgs);
DECLARE_DEVICE_KERNEL(global_max_f16, PoolArgs);
DECLARE_DEVICE_KERNEL(global_max_bf16, PoolArgs);
DECLARE_DEVICE_KERNEL(global_max_u8, PoolArgs);
constexpr int kGlobalAverageThreads = 256;
constexpr size_t kGlobalAverageShared = kGlobalAverageThreads * 4;

}  // namespace halftone::cuda
