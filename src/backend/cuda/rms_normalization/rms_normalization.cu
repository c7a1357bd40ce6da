#include "backend/cuda/rms_normalization/rms_normalization_kernels.h"

namespace halftone::cuda {

DEVICE float add_squares(float x, float squares) {
  return multiply_add(x, x, squares);
}
DEVICE float add_squares(const Vec4& x, float squares) {
  return add_squares(x.w, add_squares(x.z, add_squares(x.y, add_squares(x.x, squares))));
}
DEVICE float add(float a, float b) {
  return a + b;
}
DEVICE Vec4 add(const Vec4& a, const Vec4& b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}
DEVICE float scaled(float x, float inverse, float scale) {
  return x * inverse * scale;
}
DEVICE Vec4 scaled(const Vec4& x, float inverse, const Vec4& scale) {
  return {x.x * inverse * scale.x, x.y * inverse * scale.y, x.z * inverse * scale.z, x.w * inverse * scale.w};
}

/// V: what a thread takes at a time. A thread keeps what it took of the first kHeld rounds in registers.
template <class V>
DEVICE void normalise(const RmsNormalizationArgs& args) {
  constexpr int kStep = sizeof(V) / sizeof(float), kHeld = 2;
  const int64_t row = int64_t{block_x()} * args.width;
  const int begin = kStep * thread(), stride = kStep * block_threads();
  const auto scale = [&](int i) { return load_cached(reinterpret_cast<const V*>(args.scale + i)); };
  V held[kHeld], scales[kHeld];
  if (!args.constant_scale) wait_for_earlier_kernels();
  UNROLL
  for (int j = 0; j < kHeld; ++j)
    if (begin + j * stride < args.width) scales[j] = scale(begin + j * stride);
  wait_for_earlier_kernels();

  const auto summed = [&](int i) {
    const V x = load_wide<V>(args.x + row + i);
    if (!args.skip) return x;
    const V sum = add(x, load_wide<V>(args.skip + row + i));
    store_wide(args.sum + row + i, sum);
    return sum;
  };
  float squares = 0;
  UNROLL
  for (int j = 0; j < kHeld; ++j)
    if (begin + j * stride < args.width) held[j] = summed(begin + j * stride);
  UNROLL
  for (int j = 0; j < kHeld; ++j)
    if (begin + j * stride < args.width) squares = add_squares(held[j], squares);
  for (int i = begin + kHeld * stride; i < args.width; i += stride) squares = add_squares(summed(i), squares);
  squares = block_sum(squares, shared_memory<float>(0));
  const float inverse = fast_rsqrt(squares / static_cast<float>(args.width) + args.epsilon);
  UNROLL
  for (int j = 0; j < kHeld; ++j)
    if (begin + j * stride < args.width)
      store_wide(args.y + row + begin + j * stride, scaled(held[j], inverse, scales[j]));
  const float* x = args.skip ? args.sum : args.x;  // each thread reads what it wrote itself
  for (int i = begin + kHeld * stride; i < args.width; i += stride)
    store_wide(args.y + row + i, scaled(load_wide<V>(x + row + i), inverse, scale(i)));
}

DEVICE_KERNEL_AHEAD(rms_normalization_kernel, RmsNormalizationArgs, 1024, 1) {
  if (args.wide)
    normalise<Vec4>(args);
  else
    normalise<float>(args);
}

}  // namespace halftone::cuda
