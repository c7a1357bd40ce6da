#include "backend/cuda/broadcast/pairs_kernels.h"
#include "backend/cuda/device/functions.h"

namespace halftone::cuda {
namespace {

template <class In, class Out, class F>
DEVICE void each_pair(const PairArgs<const In*, Out*>& args, F f) {
  each_pair(args.at, args.a, args.b, args.y, f);
}

/// The four elements from `i` on, or the one there four times.
DEVICE Vec4 four_of(const Floats& x, int64_t i, bool same) {
  if (!same) return x.four(i);
  const float one = x[i];
  return {one, one, one, one};
}
DEVICE void set(const FloatsOut& y, int64_t i, float value) {
  y.set(i, value);
}
DEVICE void set(uint8_t* y, int64_t i, bool value) {
  y[i] = static_cast<uint8_t>(value);
}
DEVICE void set_four(const FloatsOut& y, int64_t i, const float (&of)[4]) {
  y.set_four(i, {of[0], of[1], of[2], of[3]});
}
DEVICE void set_four(uint8_t* y, int64_t i, const bool (&of)[4]) {
  Four<uint8_t> ys;
  UNROLL
  for (int k = 0; k < 4; ++k) ys.of[k] = static_cast<uint8_t>(of[k]);
  store_wide(y + i, ys);
}

/// Of floats, to floats or truths.
template <class Out, class F>
DEVICE void each_pair(const PairArgs<Floats, Out>& args, F f) {
  const Broadcast<2>& at = args.at;
  const uint32_t i = static_cast<uint32_t>(block_x()) * static_cast<uint32_t>(block_threads()) +
                     static_cast<uint32_t>(thread());
  if (i >= at.count) return;
  int64_t from[2];
  locate(at, i, from);
  if (!at.wide) {
    set(args.y, i, f(args.a[from[0]], args.b[from[1]]));
    return;
  }
  const Vec4 a = four_of(args.a, from[0], at.steps[0][at.dims - 1] == 0),
             b = four_of(args.b, from[1], at.steps[1][at.dims - 1] == 0);
  set_four(args.y, 4 * int64_t{i}, {f(a.x, b.x), f(a.y, b.y), f(a.z, b.z), f(a.w, b.w)});
}

template <class T>
DEVICE T higher(T a, T b) {
  return a > b || a != a ? a : b;
}
template <class T>
DEVICE T lower(T a, T b) {
  return a < b || a != a ? a : b;
}

/// x^2 by a product, which is exact to the last bit and takes no logarithm.
DEVICE float power(float x, float y) {
  return y == 2 ? x * x : accurate_power(x, y);
}

DEVICE void pair_floats(const FloatPairArgs& args) {
  switch (args.op) {
    case Pair::add:
      return each_pair(args, [](float a, float b) { return a + b; });
    case Pair::sub:
      return each_pair(args, [](float a, float b) { return a - b; });
    case Pair::mul:
      return each_pair(args, [](float a, float b) { return a * b; });
    case Pair::div:
      return each_pair(args, [](float a, float b) { return a / b; });
    case Pair::max:
      return each_pair(args, [](float a, float b) { return higher(a, b); });
    case Pair::min:
      return each_pair(args, [](float a, float b) { return lower(a, b); });
    case Pair::fmod:
      return each_pair(args, [](float a, float b) { return remainder_of(a, b); });
    case Pair::pow:
      return each_pair(args, [](float a, float b) { return power(a, b); });
    default:
      return each_pair(args, [](float a, float b) { return a < 0 ? a * b : a; });
  }
}

template <class T>
DEVICE T quotient(T a, T b) {
  if (b == 0) return 0;
  // The smallest number has no negative.
  return b == -1 ? static_cast<T>(uint64_t{0} - static_cast<uint64_t>(a)) : static_cast<T>(a / b);
}
template <class T>
DEVICE T truncated_remainder(T a, T b) {
  return b == 0 || b == -1 ? T{0} : static_cast<T>(a % b);
}
template <class T>
DEVICE T floored_remainder(T a, T b) {
  const T rest = truncated_remainder(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
}

template <class T>
DEVICE void pair_integers(const PairArgs<const T*, T*>& args) {
  using U = uint64_t;
  switch (args.op) {
    case Pair::add:
      return each_pair(args, [](T a, T b) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); });
    case Pair::sub:
      return each_pair(args, [](T a, T b) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); });
    case Pair::mul:
      return each_pair(args, [](T a, T b) { return static_cast<T>(static_cast<U>(a) * static_cast<U>(b)); });
    case Pair::div:
      return each_pair(args, [](T a, T b) { return quotient(a, b); });
    case Pair::max:
      return each_pair(args, [](T a, T b) { return a > b ? a : b; });
    case Pair::min:
      return each_pair(args, [](T a, T b) { return a < b ? a : b; });
    case Pair::mod:
      return each_pair(args, [](T a, T b) { return floored_remainder(a, b); });
    default:
      return each_pair(args, [](T a, T b) { return truncated_remainder(a, b); });
  }
}

template <class T, class Args>
DEVICE void test_pairs(const Args& args) {
  switch (args.op) {
    case Pair::equal:
      return each_pair(args, [](T a, T b) { return a == b; });
    case Pair::greater:
      return each_pair(args, [](T a, T b) { return a > b; });
    case Pair::greater_or_equal:
      return each_pair(args, [](T a, T b) { return a >= b; });
    case Pair::less:
      return each_pair(args, [](T a, T b) { return a < b; });
    case Pair::less_or_equal:
      return each_pair(args, [](T a, T b) { return a <= b; });
    case Pair::logical_and:
      return each_pair(args, [](T a, T b) { return a != 0 && b != 0; });
    case Pair::logical_or:
      return each_pair(args, [](T a, T b) { return a != 0 || b != 0; });
    default:
      return each_pair(args, [](T a, T b) { return (a != 0) != (b != 0); });
  }
}

}  // namespace

DEVICE_KERNEL(pairs_floats, FloatPairArgs) {
  pair_floats(args);
}
DEVICE_KERNEL(pairs_i32, IntPairArgs) {
  pair_integers<int32_t>(args);
}
DEVICE_KERNEL(pairs_i64, LongPairArgs) {
  pair_integers<int64_t>(args);
}
DEVICE_KERNEL(test_floats, FloatTestArgs) {
  test_pairs<float>(args);
}
DEVICE_KERNEL(test_i32, IntTestArgs) {
  test_pairs<int32_t>(args);
}
DEVICE_KERNEL(test_i64, LongTestArgs) {
  test_pairs<int64_t>(args);
}
DEVICE_KERNEL(test_u8, ByteTestArgs) {
  test_pairs<uint8_t>(args);
}

}  // namespace halftone::cuda
