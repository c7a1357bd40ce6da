#include "backend/cuda/device/functions.h"
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
  if (args.logarithm) {
    const float less = accurate_log(sum);
    for (int64_t i = thread(); i < args.width; i += block_threads()) y[i] = x[i] - top - less;
    return;
  }
  for (int64_t i = thread(); i < args.width; i += block_threads()) y[i] = accurate_exp(x[i] - top) / sum;
}

namespace {

/// What join makes of the values that the warps' lanes of one number have.
template <class Join>
DEVICE float over_warps(float value, Shared<float> scratch, Join join) {
  sync_block();
  scratch[thread()] = value;
  sync_block();
  float all = scratch[lane()];
  for (int w = 1; w < block_warps(); ++w) all = join(all, static_cast<float>(scratch[w * kWarp + lane()]));
  return all;
}

}  // namespace

DEVICE_KERNEL(softmax_axis_kernel, SoftmaxAxisArgs) {
  const Shared<float> scratch = shared_memory<float>(0);
  const int64_t line = int64_t{block_x()} * kWarp + lane();
  const bool inside = line < args.lines;
  const int64_t first = line / args.step * args.step * args.width + line % args.step;
  const int64_t begin = inside ? warp() : args.width;
  const float* x = args.x + first;
  float* y = args.y + first;
  float top = -kInfinity;
  for (int64_t i = begin; i < args.width; i += block_warps()) {
    const float next = x[i * args.step];
    top = next > top ? next : top;
  }
  top = over_warps(top, scratch, [](float a, float b) { return a > b ? a : b; });
  float sum = 0;
  for (int64_t i = begin; i < args.width; i += block_warps()) sum += accurate_exp(x[i * args.step] - top);
  sum = over_warps(sum, scratch, [](float a, float b) { return a + b; });
  const float less = args.logarithm ? accurate_log(sum) : 0;
  for (int64_t i = begin; i < args.width; i += block_warps()) {
    const float off = x[i * args.step] - top;
    y[i * args.step] = args.logarithm ? off - less : accurate_exp(off) / sum;
  }
}

}  // namespace halftone::cuda
