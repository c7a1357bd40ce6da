#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// y = e^(x - max) / sum of them, or with `logarithm` x - max - log(sum of them), by rows of `width`, one
/// block a row. x and y are of the type that the kernel is named by.
struct SoftmaxArgs {
  const void* x;
  void* y;
  int64_t width;
  bool logarithm;
};
constexpr size_t kSoftmaxShared = 2 * kWarp * sizeof(float);

DECLARE_DEVICE_KERNEL(softmax_f32, SoftmaxArgs);
DECLARE_DEVICE_KERNEL(softmax_f16, SoftmaxArgs);
DECLARE_DEVICE_KERNEL(softmax_bf16, SoftmaxArgs);

/// The same along an axis whose `width` elements lie `step` apart, of lines that are neighbours: a block of
/// eight warps has 32 lines, a lane each, whose elements the warps share.
struct SoftmaxAxisArgs {
  const void* x;
  void* y;
  int64_t lines, width, step;
  bool logarithm;
};
constexpr int kSoftmaxAxisThreads = 256;
constexpr size_t kSoftmaxAxisShared = kSoftmaxAxisThreads * sizeof(float);

DECLARE_DEVICE_KERNEL(softmax_axis_f32, SoftmaxAxisArgs);
DECLARE_DEVICE_KERNEL(softmax_axis_f16, SoftmaxAxisArgs);
DECLARE_DEVICE_KERNEL(softmax_axis_bf16, SoftmaxAxisArgs);

}  // namespace halftone::cuda
