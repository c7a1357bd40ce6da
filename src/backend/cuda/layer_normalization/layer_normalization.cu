#include "backend/cuda/layer_normalization/layer_normalization_kernels.h"

namespace halftone::cuda {

DEVICE float sum_of(float x) {
  return x;
}
DEVICE float sum_of(const Vec4& x) {
  return (x.x + x.y) + (x.z + x.w);
}
DEVICE float square_of(float x, float mean) {
  return (x - mean) * (x - mean);
}
DEVICE float square_of(const Vec4& x, float mean) {
  return (square_of(x.x, mean) + square_of(x.y, mean)) + (square_of(x.z, mean) + square_of(x.w, mean));
}
/// What is normal is of type T before it is scaled.
template <class T>
DEVICE float normal(float x, float mean, float inverse, float scale, float shift) {
  return multiply_add(to_f32(from_f32<T>((x - mean) * inverse)), scale, shift);
}
template <class T>
DEVICE Vec4 normal(const Vec4& x, float mean, float inverse, const Vec4& scale, const Vec4& shift) {
  return {normal<T>(x.x, mean, inverse, scale.x, shift.x), normal<T>(x.y, mean, inverse, scale.y, shift.y),
          normal<T>(x.z, mean, inverse, scale.z, shift.z), normal<T>(x.w, mean, inverse, scale.w, shift.w)};
}

/// V: what a thread takes at a time, as f32.
template <class T, class V>
DEVICE void normalise(const LayerNormalizationArgs& args) {
  constexpr int kStep = sizeof(V) / sizeof(float);
  const auto *scale = static_cast<const T*>(args.scale), *shift = static_cast<const T*>(args.shift);
  const int64_t row = int64_t{block_x()} * args.width;
  const int begin = kStep * thread(), stride = kStep * block_threads();
  const T* x = static_cast<const T*>(args.x) + row;
  T* y = static_cast<T*>(args.y) + row;
  const float width = static_cast<float>(args.width);
  float sum = 0;
  for (int i = begin; i < args.width; i += stride) sum += sum_of(load_floats<V>(x + i));
  const float mean = block_sum(sum, shared_memory<float>(0)) / width;
  float squares = 0;
  for (int i = begin; i < args.width; i += stride) squares += square_of(load_floats<V>(x + i), mean);
  const float variance = block_sum(squares, shared_memory<float>(kWarp * sizeof(float))) / width;
  const float inverse = fast_rsqrt(variance + args.epsilon);
  for (int i = begin; i < args.width; i += stride) {
    const V shifts = shift ? load_floats<V>(shift + i) : V{};
    store_as_floats(y + i, normal<T>(load_floats<V>(x + i), mean, inverse, load_floats<V>(scale + i), shifts));
  }
}

template <class T>
DEVICE void normalise(const LayerNormalizationArgs& args) {
  if (args.wide)
    normalise<T, Vec4>(args);
  else
    normalise<T, float>(args);
}

DEVICE_KERNEL(layer_normalization_f32, LayerNormalizationArgs) {
  normalise<float>(args);
}
DEVICE_KERNEL(layer_normalization_f16, LayerNormalizationArgs) {
  normalise<f16>(args);
}
DEVICE_KERNEL(layer_normalization_bf16, LayerNormalizationArgs) {
  normalise<bf16>(args);
}

}  // namespace halftone::cuda
