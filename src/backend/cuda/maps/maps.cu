#include "backend/cuda/device/functions.h"
#include "backend/cuda/maps/maps_kernels.h"

namespace halftone::cuda {
namespace {

/// Four neighbours, or as many as there are.
template <class F>
DEVICE void map_each(const FloatMapArgs& args, F f) {
  const int64_t first = 4 * (int64_t{block_x()} * block_threads() + thread());
  if (args.wide && first + 4 <= args.count) {
    const Vec4 x = args.x.four(first);
    args.y.set_four(first, {f(x.x), f(x.y), f(x.z), f(x.w)});
    return;
  }
  UNROLL_ONE
  for (int64_t i = first; i < first + 4 && i < args.count; ++i) args.y.set(i, f(args.x[i]));
}
template <class T, class F>
DEVICE void map_each(const MapArgs<const T*, T*>& args, F f) {
  const int64_t first = 4 * (int64_t{block_x()} * block_threads() + thread());
  if (args.wide && first + 4 <= args.count) {
    const auto x = load_wide<Four<T>>(args.x + first);
    store_wide(args.y + first, Four<T>{{f(x.of[0]), f(x.of[1]), f(x.of[2]), f(x.of[3])}});
    return;
  }
  UNROLL_ONE
  for (int64_t i = first; i < first + 4 && i < args.count; ++i) args.y[i] = f(args.x[i]);
}

DEVICE float exp_less_one(float x, float alpha) {
  return x > 0 ? x : alpha * accurate_expm1(x);
}
DEVICE float softplus(float x) {
  return (x > 0 ? x : 0) + accurate_log1p(accurate_exp(-absolute(x)));
}

template <class T, class Args>
DEVICE void clip(const Args& args) {
  const bool below = static_cast<bool>(args.low), above = static_cast<bool>(args.high);
  const T low = below ? args.low[0] : T{}, high = above ? args.high[0] : T{};
  map_each(args, [=](T x) {
    if (below && x < low) x = low;
    if (above && x > high) x = high;
    return x;
  });
}

DEVICE void map_all(const FloatMapArgs& args) {
  const float a = args.a, b = args.b;
  switch (args.kind) {
    case Map::abs:
      return map_each(args, [](float x) { return absolute(x); });
    case Map::acos:
      return map_each(args, [](float x) { return accurate_acos(x); });
    case Map::acosh:
      return map_each(args, [](float x) { return accurate_acosh(x); });
    case Map::asin:
      return map_each(args, [](float x) { return accurate_asin(x); });
    case Map::asinh:
      return map_each(args, [](float x) { return accurate_asinh(x); });
    case Map::atan:
      return map_each(args, [](float x) { return accurate_atan(x); });
    case Map::atanh:
      return map_each(args, [](float x) { return accurate_atanh(x); });
    case Map::ceil:
      return map_each(args, [](float x) { return ceil_of(x); });
    case Map::celu:
      return map_each(args, [=](float x) { return x > 0 ? x : a * accurate_expm1(x / a); });
    case Map::clip:
      return clip<float>(args);
    case Map::cos:
      return map_each(args, [](float x) { return accurate_cos(x); });
    case Map::cosh:
      return map_each(args, [](float x) { return accurate_cosh(x); });
    case Map::elu:
      return map_each(args, [=](float x) { return exp_less_one(x, a); });
    case Map::erf:
      return map_each(args, [](float x) { return accurate_erf(x); });
    case Map::exp:
      return map_each(args, [](float x) { return accurate_exp(x); });
    case Map::floor:
      return map_each(args, [](float x) { return floor_of(x); });
    case Map::log:
      return map_each(args, [](float x) { return accurate_log(x); });
    case Map::mish:
      return map_each(args, [](float x) { return x * accurate_tanh(softplus(x)); });
    case Map::negate:
      return map_each(args, [](float x) { return -x; });
    case Map::reciprocal:
      return map_each(args, [](float x) { return 1 / x; });
    case Map::relu:
      return map_each(args, [](float x) { return x < 0 ? 0 : x; });
    case Map::round:
      return map_each(args, [](float x) { return nearest_integer(x); });
    case Map::selu:
      return map_each(args, [=](float x) { return b * exp_less_one(x, a); });
    case Map::sign:
      return map_each(args, [](float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : x; });
    case Map::sin:
      return map_each(args, [](float x) { return accurate_sin(x); });
    case Map::sinh:
      return map_each(args, [](float x) { return accurate_sinh(x); });
    case Map::softplus:
      return map_each(args, [](float x) { return softplus(x); });
    case Map::softsign:
      return map_each(args, [](float x) { return x / (1 + absolute(x)); });
    case Map::sqrt:
      return map_each(args, [](float x) { return square_root(x); });
    case Map::tan:
      return map_each(args, [](float x) { return accurate_tan(x); });
    case Map::threshold:
      return map_each(args, [=](float x) { return x > a ? x : 0; });
  }
}

template <class T>
DEVICE T negative(T x) {
  return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(x));
}

template <class T>
DEVICE void map_integers(const MapArgs<const T*, T*>& args) {
  switch (args.kind) {
    case Map::abs:
      return map_each(args, [](T x) { return x < 0 ? negative(x) : x; });
    case Map::clip:
      return clip<T>(args);
    case Map::negate:
      return map_each(args, [](T x) { return negative(x); });
    case Map::relu:
      return map_each(args, [](T x) { return x < 0 ? T{0} : x; });
    default:
      return map_each(args, [](T x) { return static_cast<T>(x > 0 ? 1 : x < 0 ? -1 : 0); });
  }
}

}  // namespace

DEVICE_KERNEL(map_floats, FloatMapArgs) {
  map_all(args);
}
DEVICE_KERNEL(map_i32, IntMapArgs) {
  map_integers<int32_t>(args);
}
DEVICE_KERNEL(map_i64, LongMapArgs) {
  map_integers<int64_t>(args);
}

}  // namespace halftone::cuda
