#include "backend/cuda/device/functions.h"
#include "backend/cuda/softmax/softmax_kernels.h"

namespace halftone::cuda {

namespace {

template <class T>
DEVICE void softmax_row(const SoftmaxArgs& args) {
  const T* x = static_cast<const T*>(args.x) + block_x() * args.width;
  T* y = static_cast<T*>(args.y) + block_x() * args.width;
  float top = -kInfinity;
  for (int64_t i = thread(); i < args.width; i += block_threads()) {
    const float next = to_f32(x[i]);
    top = next > top ? next : top;
  }
  top = block_max(top, shared_memory<float>(0));
  float sum = 0;
  for (int64_t i = thread(); i < args.width; i += block_threads()) sum += accurate_exp(to_f32(x[i]) - top);
  sum = block_sum(sum, shared_memory<float>(kWarp * sizeof(float)));
  const float less = args.logarithm ? accurate_log(sum) : 0;
  for (int64_t i = thread(); i < args.width; i += block_threads()) {
    const float off = to_f32(x[i]) - top;
    y[i] = from_f32<T>(args.logarithm ? off - less : accurate_exp(off) / sum);
  }
}

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

template <class T>
DEVICE void softmax_axis(const SoftmaxAxisArgs& args) {
  const Shared<float> scratch = shared_memory<float>(0);
  const int64_t line = int64_t{block_x()} * kWarp + lane();
  const bool inside = line < args.lines;
  const int64_t first = line / args.step * args.step * args.width + line % args.step;
  const int64_t begin = inside ? warp() : args.width;
  const T* x = static_cast<const T*>(args.x) + first;
  T* y = static_cast<T*>(args.y) + first;
  float top = -kInfinity;
  for (int64_t i = begin; i < args.width; i += block_warps()) {
    const float next = to_f32(x[i * args.step]);
    top = next > top ? next : top;
  }
  top = over_warps(top, scratch, [](float a, float b) { return a > b ? a : b; });
  float sum = 0;
  for (int64_t i = begin; i < args.width; i += block_warps())
    sum += accurate_exp(to_f32(x[i * args.step]) - top);
  sum = over_warps(sum, scratch, [](float a, float b) { return a + b; });
  const float less = args.logarithm ? accurate_log(sum) : 0;
  for (int64_t i = begin; i < args.width; i += block_warps()) {
    const float off = to_f32(x[i * args.step]) - top;
    y[i * args.step] = from_f32<T>(args.logarithm ? off - less : accurate_exp(off) / sum);
  }
}

}  // namespace

DEVICE_KERNEL(softmax_f32, SoftmaxArgs) {
  softmax_row<float>(args);
}
DEVICE_KERNEL(softmax_f16, SoftmaxArgs) {
  softmax_row<f16>(args);
}
DEVICE_KERNEL(softmax_bf16, SoftmaxArgs) {
  softmax_row<bf16>(args);
}
DEVICE_KERNEL(softmax_axis_f32, SoftmaxAxisArgs) {
  softmax_axis<float>(args);
}
DEVICE_KERNEL(softmax_axis_f16, SoftmaxAxisArgs) {
  softmax_axis<f16>(args);
}
DEVICE_KERNEL(softmax_axis_bf16, SoftmaxAxisArgs) {
  softmax_axis<bf16>(args);
}

}  // namespace halftone::cuda
