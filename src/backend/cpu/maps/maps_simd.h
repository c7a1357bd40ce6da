#pragma once

#include "backend/cpu/maps/maps_loops.h"
#include "backend/cpu/simd_functions.h"

namespace halftone::cpu {
namespace {

template <class F>
void map_each(const float* x, float* y, int64_t count, F f) {
  constexpr int kWidth = Simd::kWidth;
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) Simd::store(y + i, f(Simd::load(x + i)));
  if (i < count) Simd::store_part(y + i, f(Simd::load_part(x + i, count - i)), count - i);
}

/// By functions of the C library, one number at a time.
template <class F>
void map_one_by_one(const float* x, float* y, int64_t count, F f) {
  for (int64_t i = 0; i < count; ++i) y[i] = f(x[i]);
}

/// Sines a quarter of a circle (or none) ahead; those of large angles by the C library.
void map_sines(const float* x, float* y, int64_t count, float quarters) {
  constexpr int kWidth = Simd::kWidth;
  const Float far = Simd::broadcast(kFarthestAngle), one = Simd::broadcast(1.0f);
  for (int64_t i = 0; i < count; i += kWidth) {
    const int64_t part = count - i < kWidth ? count - i : kWidth;
    const Float v = part < kWidth ? Simd::load_part(x + i, part) : Simd::load(x + i);
    if (Simd::sum(Simd::where_less(far, Simd::abs(v), one, Simd::zero())) > 0)
      for (int64_t k = i; k < i + part; ++k)
        y[k] = quarters > 0 ? __builtin_cosf(x[k]) : __builtin_sinf(x[k]);
    else if (part < kWidth)
      Simd::store_part(y + i, sine_of_quarters(v, quarters), part);
    else
      Simd::store(y + i, sine_of_quarters(v, quarters));
  }
}

void apply(Map f, float a, float b, const float* x, float* y, int64_t count) {
  const Float va = Simd::broadcast(a), vb = Simd::broadcast(b);
  const Float zero = Simd::zero(), one = Simd::broadcast(1.0f), minus_one = Simd::broadcast(-1.0f);
  switch (f) {
    case Map::abs:
      return map_each(x, y, count, [](Float v) { return Simd::abs(v); });
    case Map::acos:
      return map_one_by_one(x, y, count, [](float v) { return __builtin_acosf(v); });
    case Map::acosh:
      return map_one_by_one(x, y, count, [](float v) { return __builtin_acoshf(v); });
    case Map::asin:
      return map_one_by_one(x, y, count, [](float v) { return __builtin_asinf(v); });
    case Map::asinh:
      return map_one_by_one(x, y, count, [](float v) { return __builtin_asinhf(v); });
    case Map::atan:
      return map_one_by_one(x, y, count, [](float v) { return __builtin_atanf(v); });
    case Map::atanh:
      return map_one_by_one(x, y, count, [](float v) { return __builtin_atanhf(v); });
    case Map::ceil:
      return map_each(x, y, count, [](Float v) { return ceil(v); });
    case Map::celu:
      return map_each(x, y, count, [=](Float v) {
        return Simd::where_less(zero, v, v, Simd::mul(va, exp_less_one(Simd::div(v, va))));
      });
    case Map::clip:
      return map_each(x, y, count, [=](Float v) {
        const Float raised = Simd::where_less(v, va, va, v);
        return Simd::where_less(vb, raised, vb, raised);
      });
    case Map::cos:
      return map_sines(x, y, count, 1);
    case Map::cosh:
      return map_one_by_one(x, y, count, [](float v) { return __builtin_coshf(v); });
    case Map::elu:
      return map_each(x, y, count,
                      [=](Float v) { return Simd::where_less(zero, v, v, Simd::mul(va, exp_less_one(v))); });
    case Map::erf:
      return map_each(x, y, count, [](Float v) { return erf(v); });
    case Map::exp:
      return map_each(x, y, count, [](Float v) { return exp(v); });
    case Map::floor:
      return map_each(x, y, count, [](Float v) { return floor(v); });
    case Map::log:
      return map_each(x, y, count, [](Float v) { return log(v); });
    case Map::mish:
      return map_each(x, y, count, [](Float v) { return mish(v); });
    case Map::negate:
      return map_each(x, y, count, [=](Float v) { return Simd::mul(v, minus_one); });
    case Map::reciprocal:
      return map_each(x, y, count, [=](Float v) { return Simd::div(one, v); });
    case Map::relu:
      return map_each(x, y, count, [=](Float v) { return Simd::where_less(v, zero, zero, v); });
    case Map::round:
      return map_each(x, y, count, [](Float v) { return Simd::round(v); });
    case Map::selu:
      return map_each(x, y, count, [=](Float v) {
        return Simd::mul(vb, Simd::where_less(zero, v, v, Simd::mul(va, exp_less_one(v))));
      });
    case Map::sign:
      return map_each(x, y, count, [=](Float v) {
        return Simd::where_less(zero, v, one, Simd::where_less(v, zero, minus_one, v));
      });
    case Map::sin:
      return map_sines(x, y, count, 0);
    case Map::sinh:
      return map_one_by_one(x, y, count, [](float v) { return __builtin_sinhf(v); });
    case Map::softplus:
      return map_each(x, y, count, [](Float v) { return softplus(v); });
    case Map::softsign:
      return map_each(x, y, count, [=](Float v) { return Simd::div(v, Simd::add(one, Simd::abs(v))); });
    case Map::sqrt:
      return map_each(x, y, count, [](Float v) { return square_root(v); });
    case Map::tan:
      return map_one_by_one(x, y, count, [](float v) { return __builtin_tanf(v); });
    case Map::threshold:
      return map_each(x, y, count, [=](Float v) { return Simd::where_less(va, v, v, zero); });
  }
}

constexpr MapLoops kMapLoops{apply};

}  // namespace
}  // namespace halftone::cpu
