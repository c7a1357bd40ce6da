#pragma once

// Functions of f32 from the mathematical library: within 4 ulp on a GPU (CUDA C++ Programming Guide,
// mathematical functions). Beside device.h for the few kernels that need them.

#ifndef __CUDACC__
#include <cmath>
#endif

#include "backend/cuda/device/math.h"

namespace halftone::cuda {

/// To the nearest float.
DEVICE float square_root(float x) {
  return sqrtf(x);
}
DEVICE float accurate_log(float x) {
  return logf(x);
}
/// log(1 + x) and e^x - 1.
DEVICE float accurate_log1p(float x) {
  return log1pf(x);
}
DEVICE float accurate_expm1(float x) {
  return expm1f(x);
}
DEVICE float accurate_power(float x, float y) {
  return powf(x, y);
}
/// With the sign of x; exact.
DEVICE float remainder_of(float x, float y) {
  return fmodf(x, y);
}

/// To an integer, as f32: downwards, upwards, to the nearest with ties to even.
DEVICE float floor_of(float x) {
  return floorf(x);
}
DEVICE float ceil_of(float x) {
  return ceilf(x);
}
DEVICE float nearest_integer(float x) {
  return rintf(x);
}

DEVICE float accurate_sin(float x) {
  return sinf(x);
}
DEVICE float accurate_cos(float x) {
  return cosf(x);
}
DEVICE float accurate_tan(float x) {
  return tanf(x);
}
DEVICE float accurate_asin(float x) {
  return asinf(x);
}
DEVICE float accurate_acos(float x) {
  return acosf(x);
}
DEVICE float accurate_atan(float x) {
  return atanf(x);
}
DEVICE float accurate_sinh(float x) {
  return sinhf(x);
}
DEVICE float accurate_cosh(float x) {
  return coshf(x);
}
DEVICE float accurate_asinh(float x) {
  return asinhf(x);
}
DEVICE float accurate_acosh(float x) {
  return acoshf(x);
}
DEVICE float accurate_atanh(float x) {
  return atanhf(x);
}

}  // namespace halftone::cuda
