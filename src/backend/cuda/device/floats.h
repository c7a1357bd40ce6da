#pragma once

// Numbers stored as f32, f16 or bf16, which kernels compute on in f32.

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Four neighbours as f32; `at` is aligned to four elements.
DEVICE Vec4 load_four_floats(const float* at) {
  return load_wide<Vec4>(at);
}
DEVICE Vec4 load_four_floats(const f16* at) {
  const auto pairs = load_wide<Words2>(at);
  const Vec2 low = f32_of_f16x2(pairs.x), high = f32_of_f16x2(pairs.y);
  return {low.x, low.y, high.x, high.y};
}
DEVICE Vec4 load_four_floats(const bf16* at) {
  const auto pairs = load_wide<Words2>(at);
  const Vec2 low = f32_of_bf16x2(pairs.x), high = f32_of_bf16x2(pairs.y);
  return {low.x, low.y, high.x, high.y};
}
DEVICE void store_four_floats(float* at, const Vec4& x) {
  store_wide(at, x);
}
DEVICE void store_four_floats(f16* at, const Vec4& x) {
  store_wide(reinterpret_cast<uint16_t*>(at), Words2{f16x2_of(x.x, x.y), f16x2_of(x.z, x.w)});
}
DEVICE void store_four_floats(bf16* at, const Vec4& x) {
  store_wide(reinterpret_cast<uint16_t*>(at), Words2{bf16x2_of(x.x, x.y), bf16x2_of(x.z, x.w)});
}

/// One as f32, or (V is Vec4) four neighbours.
template <class V, class T>
DEVICE V load_floats(const T* at) {
  if constexpr (sizeof(V) == sizeof(Vec4))
    return load_four_floats(at);
  else
    return to_f32(*at);
}
template <class T>
DEVICE void store_as_floats(T* at, const Vec4& x) {
  store_four_floats(at, x);
}
template <class T>
DEVICE void store_as_floats(T* at, float x) {
  *at = from_f32<T>(x);
}

/// What is computed with: f32 of floats, other numbers as they are.
template <class T>
DEVICE auto widened(T x) {
  if constexpr (__is_same(T, f16) || __is_same(T, bf16))
    return to_f32(x);
  else
    return x;
}
template <class T, class Computed>
DEVICE T narrowed(Computed x) {
  if constexpr (__is_same(T, f16) || __is_same(T, bf16))
    return from_f32<T>(x);
  else
    return static_cast<T>(x);
}

/// Of stored numbers: f32, f16 or bf16.
enum class FloatType : int32_t { f32, half, brain };

/// Floats of a type that a launch chooses, for kernels of which each thread reads a few: one kernel has them
/// all. Others are templates.
struct Floats {
  const void* data;
  FloatType type;

  DEVICE_MEMBER explicit operator bool() const { return data != nullptr; }
  DEVICE_MEMBER float operator[](int64_t i) const {
    if (type == FloatType::f32) return static_cast<const float*>(data)[i];
    if (type == FloatType::half) return to_f32(static_cast<const f16*>(data)[i]);
    return to_f32(static_cast<const bf16*>(data)[i]);
  }
  /// Elements i to i + 3, aligned to four.
  DEVICE_MEMBER Vec4 four(int64_t i) const {
    if (type == FloatType::f32) return load_four_floats(static_cast<const float*>(data) + i);
    if (type == FloatType::half) return load_four_floats(static_cast<const f16*>(data) + i);
    return load_four_floats(static_cast<const bf16*>(data) + i);
  }
};

/// What is written is rounded once, to the nearest.
struct FloatsOut {
  void* data;
  FloatType type;

  DEVICE_MEMBER void set(int64_t i, float x) const {
    if (type == FloatType::f32)
      static_cast<float*>(data)[i] = x;
    else if (type == FloatType::half)
      static_cast<f16*>(data)[i] = from_f32<f16>(x);
    else
      static_cast<bf16*>(data)[i] = from_f32<bf16>(x);
  }
  DEVICE_MEMBER void set_four(int64_t i, const Vec4& x) const {
    if (type == FloatType::f32)
      store_four_floats(static_cast<float*>(data) + i, x);
    else if (type == FloatType::half)
      store_four_floats(static_cast<f16*>(data) + i, x);
    else
      store_four_floats(static_cast<bf16*>(data) + i, x);
  }
};

}  // namespace halftone::cuda
