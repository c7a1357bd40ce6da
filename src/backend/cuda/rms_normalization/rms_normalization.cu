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
/// As a T is.
template <class T>
DEVICE float rounded(float x) {
  return to_f32(from_f32<T>(x));
}
template <class T>
DEVICE Vec4 rounded(const Vec4& x) {
  return {rounded<T>(x.x), rounded<T>(x.y), rounded<T>(x.z), rounded<T>(x.w)};
}
DEVICE float times(float x, float y) {
  return x * y;
}
DEVICE Vec4 times(const Vec4& x, float y) {
  return {x.x * y, x.y * y, x.z * y, x.w * y};
}
DEVICE Vec4 times(const Vec4& x, const Vec4& y) {
  return {x.x * y.x, x.y * y.y, x.z * y.z, x.w * y.w};
}

/// V: what a thread takes at a time, as f32. A thread keeps what it took of the first kHeld rounds in
/// registers.
template <class T, class V>
DEVICE void normalise(const RmsNormalizationArgs& args) {
  constexpr int kStep = sizeof(V) / sizeof(float), kHeld = 2;
  const int64_t row = int64_t{block_x()} * args.width;
  const int begin = kStep * thread(), stride = kStep * block_threads();
  const auto *all_x = static_cast<const T*>(args.x) + row, *all_scales = static_cast<const T*>(args.scale);
  auto *y = static_cast<T*>(args.y) + row, *sums = static_cast<T*>(args.sum) + row;
  const auto scale = [&](int i) {
    if constexpr (sizeof(T) == sizeof(float))
      return load_cached(reinterpret_cast<const V*>(all_scales + i));
    else
      return load_floats<V>(all_scales + i);
  };
  V held[kHeld], scales[kHeld];
  if (!args.constant_scale) wait_for_earlier_kernels();
  UNROLL
  for (int j = 0; j < kHeld; ++j)
    if (begin + j * stride < args.width) scales[j] = scale(begin + j * stride);
  wait_for_earlier_kernels();

  const auto summed = [&](int i) {
    const V x = load_floats<V>(all_x + i);
    if (!args.skip) return x;
    const V sum = rounded<T>(add(x, load_floats<V>(static_cast<const T*>(args.skip) + row + i)));
    store_as_floats(sums + i, sum);
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
  const auto scaled = [&](const V& x, const V& by) { return times(rounded<T>(times(x, inverse)), by); };
  UNROLL
  for (int j = 0; j < kHeld; ++j)
    if (begin + j * stride < args.width) store_as_floats(y + begin + j * stride, scaled(held[j], scales[j]));
  const T* x = args.skip ? sums : all_x;  // each thread reads what it wrote itself
  for (int i = begin + kHeld * stride; i < args.width; i += stride)
    store_as_floats(y + i, scaled(load_floats<V>(x + i), scale(i)));
}

template <class T>
DEVICE void normalise(const RmsNormalizationArgs& args) {
  if (args.wide)
    normalise<T, Vec4>(args);
  else
    normalise<T, float>(args);
}

DEVICE_KERNEL_AHEAD(rms_normalization_f32, RmsNormalizationArgs, 1024, 1) {
  normalise<float>(args);
}
DEVICE_KERNEL_AHEAD(rms_normalization_f16, RmsNormalizationArgs, 1024, 1) {
  normalise<f16>(args);
}
DEVICE_KERNEL_AHEAD(rms_normalization_bf16, RmsNormalizationArgs, 1024, 1) {
  normalise<bf16>(args);
}

}  // namespace halftone::cuda
