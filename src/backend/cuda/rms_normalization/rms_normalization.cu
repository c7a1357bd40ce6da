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

/// V: what a thread takes at a time.
template <class V>
DEVICE void normalise(const RmsNormalizationArgs& args) {
  constexpr int kStep = sizeof(V) / sizeof(float);
  const int64_t row = int64_t{block_x()} * args.width;
  const int begin = kStep * thread(), stride = kStep * block_threads();
  const float* x = args.x + row;
  float squares = 0;
  if (args.skip) {
    for (int i = begin; i < args.width; i += stride) {
      const V sum = add(load_wide<V>(x + i), load_wide<V>(args.skip + row + i));
      store_wide(args.sum + row + i, sum);
      squares = add_squares(sum, squares);
    }
    x = args.sum + row;  // each thread reads what it wrote itself
  } else {
    for (int i = begin; i < args.width; i += stride) squares = add_squares(load_wide<V>(x + i), squares);
  }
  squares = block_sum(squares, shared_memory<float>(0));
  const float inverse = fast_rsqrt(squares / static_cast<float>(args.width) + args.epsilon);
  for (int i = begin; i < args.width; i += stride)
    store_wide(args.y + row + i,
               scaled(load_wide<V>(x + i), inverse, load_cached(reinterpret_cast<const V*>(args.scale + i))));
}

DEVICE_KERNEL(rms_normalization_kernel, RmsNormalizationArgs) {
  if (args.wide)
    normalise<Vec4>(args);
  else
    normalise<float>(args);
}

}  // namespace halftone::cuda
