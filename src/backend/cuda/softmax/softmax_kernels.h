#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// y = e^(x - max) / sum of them, or with `logarithm` x - max - log(sum of them), by rows of `width`, one
/// block a row.
struct SoftmaxArgs {
  const float* x;
  float* y;
  int64_t width;
  bool logarithm;
};
constexpr size_t kSoftmaxShared = 2 * kWarp * sizeof(float);

DECLARE_DEVICE_KERNEL(softmax_kernel, SoftmaxArgs);

/// The same along an axis whose `width` elements lie `step` apart, of lines that are neighbours: a block of
/// eight warps has 32 lines, a lane each, whose elements the warps share.
struct SoftmaxAxisArgs {
  const float* x;
  float* y;
  int64_t lines, width, step;
  bool logarithm;
};
constexpr int kSoftmaxAxisThreads = 256;
constexpr size_t kSoftmaxAxisShared = kSoftmaxAxisThreads * sizeof(float);

DECLARE_DEVICE_KERNEL(softmax_axis_kernel, SoftmaxAxisArgs);

}  // namespace halftone::cuda
