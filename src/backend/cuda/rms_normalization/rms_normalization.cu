#include "backend/cuda/rms_normalization/rms_normalization_kernels.h"

namespace halftone::cuda {

DEVICE_KERNEL(rms_normalization_kernel, RmsNormalizationArgs) {
  const Shared<float> scratch = shared_memory<float>(0);
  const int64_t row = int64_t{block_x()} * args.width;
  const float* x = args.x + row;
  if (args.skip) {
    const float* skip = args.skip + row;
    float* sum = args.sum + row;
    for (int i = thread(); i < args.width; i += block_threads()) sum[i] = x[i] + skip[i];
    x = sum;  // each thread reads what it wrote itself
  }
  float squares = 0;
  for (int i = thread(); i < args.width; i += block_threads()) squares = multiply_add(x[i], x[i], squares);
  squares = block_sum(squares, scratch);
  const float inverse = fast_rsqrt(squares / static_cast<float>(args.width) + args.epsilon);
  float* y = args.y + row;
  for (int i = thread(); i < args.width; i += block_threads()) y[i] = x[i] * inverse * args.scale[i];
}

}  // namespace halftone::cuda
