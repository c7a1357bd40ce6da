#include "backend/cuda/device/functions.h"
#include "backend/cuda/reduction/reduction_kernels.h"

namespace halftone::cuda {
namespace {

DEVICE int64_t offset_of(const ReductionAxes& axes, uint32_t place) {
  int64_t offset = 0;
  uint32_t rest = place;
  UNROLL
  for (int d = kReductionDims - 1; d >= 0; --d) {
    if (d >= axes.dims) continue;
    const uint32_t above = d == 0 ? 0 : rest / axes.extents[d];
    offset += int64_t{rest - above * axes.extents[d]} * axes.steps[d];
    rest = above;
  }
  return offset;
}

/// The fold of an output's elements from `first` on, each `step`-th, that starts with `none`.
template <class Sum, class T, class Take, class Join>
DEVICE Sum fold_share(const ReductionArgs<T>& args, const T* x, uint32_t first, uint32_t step, Sum none,
                      Take take, Join join) {
  Sum sum = none;
  if (args.reduced.dims == 1) {
    for (uint32_t r = first; r < args.reduced.count; r += step)
      sum = join(sum, take(widened(x[int64_t{r} * args.reduced.steps[0]])));
    return sum;
  }
  for (uint32_t r = first; r < args.reduced.count; r += step)
    sum = join(sum, take(widened(x[offset_of(args.reduced, r)])));
  return sum;
}

template <class Sum, class Join>
DEVICE Sum warp_join(Sum sum, Join join) {
  UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) sum = join(sum, shuffle_xor(sum, mask));
  return sum;
}

/// y[o] = finish(fold, o); take(x) is what is folded of an element.
template <class Sum, class T, class Take, class Join, class Finish>
DEVICE void reduce(const ReductionArgs<T>& args, Sum none, Take take, Join join, Finish finish) {
  const Shared<Sum> parts = shared_memory<Sum>(0);
  const auto warps = static_cast<uint32_t>(block_warps()), own = static_cast<uint32_t>(warp()),
             place = static_cast<uint32_t>(lane());
  if (args.team == Team::warp) {
    const uint32_t output = static_cast<uint32_t>(block_x()) * warps + own;
    if (output >= args.kept.count) return;
    const T* x = args.x + offset_of(args.kept, output);
    const Sum sum = warp_join(fold_share(
                                  args, x, place, kWarp, none, [&](auto e) { return take(e, output); }, join),
                              join);
    sync_warp();  // what take() reads may be y itself (`tops`)
    if (place == 0) args.y[output] = narrowed<T>(finish(sum, output));
    return;
  }
  const bool columns = args.team == Team::columns;
  const uint32_t output = static_cast<uint32_t>(block_x()) * (columns ? kWarp : 1) + (columns ? place : 0);
  const bool inside = output < args.kept.count;
  Sum sum = none;
  if (inside) {
    const T* x = args.x + offset_of(args.kept, output);
    sum = fold_share(
        args, x, columns ? own : static_cast<uint32_t>(thread()),
        columns ? warps : static_cast<uint32_t>(block_threads()), none,
        [&](auto e) { return take(e, output); }, join);
  }
  if (!columns) sum = warp_join(sum, join);
  if (columns || place == 0) parts[columns ? thread() : warp()] = sum;
  sync_block();
  if (own > 0) return;
  if (columns)
    for (int w = 1; w < block_warps(); ++w) sum = join(sum, static_cast<Sum>(parts[w * kWarp + lane()]));
  else
    sum = warp_join(place < warps ? static_cast<Sum>(parts[lane()]) : none, join);
  if (inside && (columns || place == 0)) args.y[output] = narrowed<T>(finish(sum, output));
}

template <class T>
DEVICE T higher(T a, T b) {
  return a > b || a != a ? a : b;
}
template <class T>
DEVICE T lower(T a, T b) {
  return a < b || a != a ? a : b;
}

template <class T>
DEVICE void reduce_floats(const ReductionArgs<T>& args) {
  const auto as_is = [](float x, uint32_t) { return x; };
  const auto square = [](float x, uint32_t) { return x * x; };
  const auto add = [](float a, float b) { return a + b; };
  switch (args.fold) {
    case Fold::sum:
      return reduce(args, 0.0f, as_is, add, as_is);
    case Fold::mean: {
      const auto count = static_cast<float>(args.reduced.count);
      return reduce(args, 0.0f, as_is, add, [=](float sum, uint32_t) { return sum / count; });
    }
    case Fold::max:
      return reduce(
          args, -kInfinity, as_is, [](float a, float b) { return higher(a, b); }, as_is);
    case Fold::min:
      return reduce(
          args, kInfinity, as_is, [](float a, float b) { return lower(a, b); }, as_is);
    case Fold::product:
      return reduce(
          args, 1.0f, as_is, [](float a, float b) { return a * b; }, as_is);
    case Fold::sum_of_squares:
      return reduce(args, 0.0f, square, add, as_is);
    case Fold::sum_of_magnitudes:
      return reduce(
          args, 0.0f, [](float x, uint32_t) { return absolute(x); }, add, as_is);
    case Fold::root_of_squares:
      return reduce(args, 0.0f, square, add, [](float sum, uint32_t) { return square_root(sum); });
    case Fold::log_of_sum:
      return reduce(args, 0.0f, as_is, add, [](float sum, uint32_t) { return accurate_log(sum); });
    default: {
      const T* tops = args.tops;
      return reduce(
          args, 0.0f, [=](float x, uint32_t o) { return accurate_exp(x - to_f32(tops[o])); }, add,
          [=](float sum, uint32_t o) {
            const float top = to_f32(tops[o]);
            return absolute(top) == kInfinity ? top : top + accurate_log(sum);
          });
    }
  }
}

template <class T>
DEVICE void reduce_integers(const ReductionArgs<T>& args, T least, T greatest) {
  const auto as_is = [](int64_t x, uint32_t) { return x; };
  const auto wrapped = [](int64_t a, int64_t b, bool multiply) {
    const auto u = static_cast<uint64_t>(a), v = static_cast<uint64_t>(b);
    return static_cast<int64_t>(multiply ? u * v : u + v);
  };
  const auto add = [=](int64_t a, int64_t b) { return wrapped(a, b, false); };
  const auto multiply = [=](int64_t a, int64_t b) { return wrapped(a, b, true); };
  switch (args.fold) {
    case Fold::sum:
      return reduce(args, int64_t{0}, as_is, add, as_is);
    case Fold::mean: {
      const int64_t count = args.reduced.count;
      return reduce(args, int64_t{0}, as_is, add,
                    [=](int64_t sum, uint32_t) { return count == 0 ? 0 : sum / count; });
    }
    case Fold::max:
      return reduce(
          args, int64_t{least}, as_is, [](int64_t a, int64_t b) { return a > b ? a : b; }, as_is);
    case Fold::min:
      return reduce(
          args, int64_t{greatest}, as_is, [](int64_t a, int64_t b) { return a < b ? a : b; }, as_is);
    case Fold::product:
      return reduce(args, int64_t{1}, as_is, multiply, as_is);
    case Fold::sum_of_squares:
      return reduce(
          args, int64_t{0}, [=](int64_t x, uint32_t) { return multiply(x, x); }, add, as_is);
    default:
      return reduce(
          args, int64_t{0}, [=](int64_t x, uint32_t) { return x < 0 ? wrapped(~x, 1, false) : x; }, add,
          as_is);
  }
}

template <class T>
DEVICE bool beats(T x, T best, bool smallest, bool last) {
  if (best != best) return last && x != x;
  if (x != x) return true;
  return (smallest ? x < best : x > best) || (last && x == best);
}

template <class T>
DEVICE void arg_axis(const ArgAxisArgs<T>& args) {
  const uint32_t output = static_cast<uint32_t>(block_x()) * static_cast<uint32_t>(block_threads()) +
                          static_cast<uint32_t>(thread());
  if (output >= args.kept.count) return;
  const T* x = args.x + offset_of(args.kept, output);
  auto best = widened(*x);
  int64_t at = 0;
  for (int64_t i = 1; i < args.length; ++i) {
    const auto next = widened(x[i * args.step]);
    if (!beats(next, best, args.smallest, args.last)) continue;
    best = next;
    at = i;
  }
  args.places[output] = at;
}

}  // namespace

DEVICE_KERNEL(reduce_f32, FloatReductionArgs) {
  reduce_floats(args);
}
DEVICE_KERNEL(reduce_f16, HalfReductionArgs) {
  reduce_floats(args);
}
DEVICE_KERNEL(reduce_bf16, BrainReductionArgs) {
  reduce_floats(args);
}
DEVICE_KERNEL(reduce_i32, IntReductionArgs) {
  reduce_integers<int32_t>(args, INT32_MIN, INT32_MAX);
}
DEVICE_KERNEL(reduce_i64, LongReductionArgs) {
  reduce_integers<int64_t>(args, INT64_MIN, INT64_MAX);
}
DEVICE_KERNEL(arg_axis_f32, FloatArgAxisArgs) {
  arg_axis(args);
}
DEVICE_KERNEL(arg_axis_f16, HalfArgAxisArgs) {
  arg_axis(args);
}
DEVICE_KERNEL(arg_axis_bf16, BrainArgAxisArgs) {
  arg_axis(args);
}
DEVICE_KERNEL(arg_axis_i32, IntArgAxisArgs) {
  arg_axis(args);
}
DEVICE_KERNEL(arg_axis_i64, LongArgAxisArgs) {
  arg_axis(args);
}

}  // namespace halftone::cuda
