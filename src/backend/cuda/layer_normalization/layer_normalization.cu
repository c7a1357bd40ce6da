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
DEVICE float normal(float x, float mean, float inverse, float scale, float shift) {
  return multiply_add((x - mean) * inverse, scale, shift);
}
DEVICE Vec4 normal(const Vec4& x, float mean, float inverse, const Vec4& scale, const Vec4& shift) {
  return {normal(x.x, mean, inverse, scale.x, shift.x), normal(x.y, mean, inverse, scale.y, shift.y),
          normal(x.z, mean, inverse, scale.z, shift.z), normal(x.w, mean, inverse, scale.w, shift.w)};
}

template <class V>
DEVICE void normalise(const LayerNormalizationArgs& args) {
  constexpr int kStep = sizeof(V) / sizeof(float);
  const int64_t row = int64_t{block_x()} * args.width;
  const int begin = kStep * thread(), stride = kStep * block_threads();
  const float* x = args.x + row;
  const float width = static_cast<float>(args.width);
  float sum = 0;
  for (int i = begin; i < args.width; i += stride) sum += sum_of(load_wide<V>(x + i));
  const float mean = block_sum(sum, shared_memory<float>(0)) / width;
  float squares = 0;
  for (int i = begin; i < args.width; i += stride) squares += square_of(load_wide<V>(x + i), mean);
  const float variance = block_sum(squares, shared_memory<float>(kWarp * sizeof(float))) / width;
  const float inverse = fast_rsqrt(variance + args.epsilon);
  for (int i = begin; i < args.width; i += stride) {
    const V shift = args.shift ? load_wide<V>(args.shift + i) : V{};
    store_wide(args.y + row + i,
               normal(load_wide<V>(x + i), mean, inverse, load_wide<V>(args.scale + i), shift));
  }
}

DEVICE_KERNEL(layer_normalization_kernel, LayerNormalizationArgs) {
  if (args.wide)
    normalise<Vec4>(args);
  else
    normalise<float>(args);
}

}  // namespace halftone::cuda
