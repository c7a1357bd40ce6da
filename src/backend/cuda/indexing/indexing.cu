#include "backend/cuda/device/floats.h"
#include "backend/cuda/indexing/index_math.h"

namespace halftone::cuda {

DEVICE_KERNEL(gather_elements_kernel, GatherElementsArgs) {
  const int64_t i = global_thread();
  if (i >= args.count) return;
  int64_t from = 0;
  auto rest = static_cast<uint32_t>(i);
  UNROLL
  for (int d = kIndexDims - 1; d >= 0; --d) {
    if (d >= args.dims) continue;
    const uint32_t above = d == 0 ? 0 : rest / args.extents[d];
    from += int64_t{rest - above * args.extents[d]} * args.steps[d];
    rest = above;
  }
  const int64_t index = index_at(args.indices, i, args.size);
  copy_word(args.bytes, args.out, i, args.data, index < 0 ? -1 : from + index * args.step, args.missing);
}

DEVICE_KERNEL(gather_slices_kernel, GatherSlicesArgs) {
  const int64_t i = global_thread();
  if (i >= args.count) return;
  const int64_t s = i / args.slice, begin = slice_begin(args.places, s);
  const int64_t from = begin < 0 ? -1 : s / args.per_batch * args.batch_step + begin + i - s * args.slice;
  copy_word(args.bytes, args.out, i, args.data, from, args.missing);
}

DEVICE_KERNEL(triangle_kernel, TriangleArgs) {
  const int64_t i = global_thread();
  if (i >= args.count) return;
  // Beyond the matrix every k keeps all or nothing.
  int64_t k = args.k ? *args.k : 0;
  k = k < -args.rows ? -args.rows : k > args.columns ? args.columns : k;
  const int64_t beyond = i % args.columns - i / args.columns % args.rows - k;
  copy_word(args.bytes, args.y, i, args.x, (args.upper ? beyond >= 0 : beyond <= 0) ? i : -1, 0);
}

DEVICE_KERNEL(one_hot_kernel, OneHotArgs) {
  const int64_t i = global_thread();
  if (i >= args.count) return;
  const int64_t place = i / args.inner % args.depth;
  const int64_t at = i / (args.inner * args.depth) * args.inner + i % args.inner;
  bool here;
  if (args.real) {
    float index = static_cast<const float*>(args.indices.at)[at];
    if (index < 0) index += static_cast<float>(args.depth);
    here = index == static_cast<float>(place);
  } else {
    here = index_at(args.indices, at, args.depth) == place;
  }
  copy_word(args.bytes, args.y, i, args.values, here ? 1 : 0, 0);
}

namespace {

template <class T, class Sum>
DEVICE void running_sum(const RunningSumArgs& args) {
  const int64_t line = global_thread();
  if (line >= args.lines) return;
  const int64_t first = line / args.step * args.step * args.length + line % args.step;
  const T* x = static_cast<const T*>(args.x) + first;
  T* y = static_cast<T*>(args.y) + first;
  Sum sum = 0;
  for (int64_t i = 0; i < args.length; ++i) {
    const int64_t at = (args.reverse ? args.length - 1 - i : i) * args.step;
    const Sum next = sum + static_cast<Sum>(widened(x[at]));
    const Sum made = args.exclusive ? sum : next;
    if constexpr (sizeof(T) == 2)
      y[at] = from_f32<T>(static_cast<float>(made));
    else
      y[at] = static_cast<T>(made);
    sum = next;
  }
}

}  // namespace

DEVICE_KERNEL(running_sum_f32, RunningSumArgs) {
  running_sum<float, double>(args);
}
DEVICE_KERNEL(running_sum_f16, RunningSumArgs) {
  running_sum<f16, double>(args);
}
DEVICE_KERNEL(running_sum_bf16, RunningSumArgs) {
  running_sum<bf16, double>(args);
}
DEVICE_KERNEL(running_sum_i32, RunningSumArgs) {
  running_sum<int32_t, uint32_t>(args);
}
DEVICE_KERNEL(running_sum_i64, RunningSumArgs) {
  running_sum<int64_t, uint64_t>(args);
}

}  // namespace halftone::cuda
