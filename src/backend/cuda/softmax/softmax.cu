#include "backend/cuda/softmax/softmax_kernels.h"

namespace halftone::cuda {

DEVICE_KERNEL(softmax_kernel, SoftmaxArgs) {
  const float* x = args.x + block_x() * args.width;
  float* y = args.y + block_x() * args.width;
  float top = -kInfinity;
  for (int64_t i = thread(); i < args.width; i += block_threads()) top = x[i] > top ? x[i] : top;
  top = block_max(top, shared_memory<float>(0));
  float sum = 0;
  for (int64_t i = thread(); i < args.width; i += block_threads()) sum += accurate_exp(x[i] - top);
  sum = block_sum(sum, shared_memory<float>(kWarp * sizeof(float)));
  for (int64_t i = thread(); i < args.width; i += block_threads()) y[i] = accurate_exp(x[i] - top) / sum;
}

}  // namespace halftone::cuda
