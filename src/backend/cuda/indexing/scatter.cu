#include "backend/cuda/device/atomic_max.h"
#include "backend/cuda/indexing/index_math.h"
#include "backend/cuda/indexing/scatter_kernels.h"

namespace halftone::cuda {
namespace {

/// Where an update is read and where it goes, in elements; to < 0: nowhere.
struct ScatterMove {
  int64_t from, to;
};

DEVICE ScatterMove move_of(const ScatterPlaces& places, int64_t line, int64_t place) {
  if (places.slices.depth > 0) return {place * places.slice, slice_begin(places.slices, place)};
  int64_t from = place * places.from_step, to = 0;
  auto rest = static_cast<uint32_t>(line);
  UNROLL
  for (int d = kIndexDims - 1; d >= 0; --d) {
    if (d >= places.dims) continue;
    const uint32_t above = d == 0 ? 0 : rest / places.extents[d], at = rest - above * places.extents[d];
    from += at * places.from_steps[d];
    to += at * places.to_steps[d];
    rest = above;
  }
  const int64_t index = index_at(places.indices, from, places.size);
  return {from, index < 0 ? -1 : to + index * places.to_step};
}

template <class T>
DEVICE T combine(Scatter how, T a, T b) {
  switch (how) {
    case Scatter::add:
      return a + b;
    case Scatter::multiply:
      return a * b;
    case Scatter::max:
      return a < b ? b : a;
    default:
      return b < a ? b : a;
  }
}

/// Integers are added and multiplied without a sign, so that they wrap around.
template <class T, class Wrapping>
DEVICE void scatter(const ScatterArgs& args) {
  const ScatterPlaces& places = args.places;
  const int64_t i = global_thread();
  if (i >= places.lines * places.slice) return;
  const int64_t line = i / places.slice, inside = i - line * places.slice;
  const T* updates = static_cast<const T*>(args.updates) + inside;
  T* out = static_cast<T*>(args.out) + inside;
  const bool wraps = args.how == Scatter::add || args.how == Scatter::multiply;
  for (int64_t place = 0; place < places.length; ++place) {
    const ScatterMove move = move_of(places, line, place);
    if (move.to < 0) continue;
    const T a = out[move.to], b = updates[move.from];
    out[move.to] = wraps
                       ? static_cast<T>(combine(args.how, static_cast<Wrapping>(a), static_cast<Wrapping>(b)))
                       : combine(args.how, a, b);
  }
}

}  // namespace

DEVICE_KERNEL(scatter_mark, ScatterArgs) {
  const int64_t u = global_thread();
  if (u >= args.places.lines * args.places.length) return;
  const ScatterMove move = move_of(args.places, u / args.places.length, u % args.places.length);
  if (move.to >= 0) atomic_max(args.winners + move.to / args.places.slice, static_cast<int32_t>(u));
}

DEVICE_KERNEL(scatter_write, ScatterArgs) {
  const int64_t i = global_thread(), slice = args.places.slice;
  if (i >= args.places.lines * args.places.length * slice) return;
  const int64_t u = i / slice, inside = i - u * slice;
  const ScatterMove move = move_of(args.places, u / args.places.length, u % args.places.length);
  if (move.to >= 0 && args.winners[move.to / slice] == static_cast<int32_t>(u))
    copy_word(args.bytes, args.out, move.to + inside, args.updates, move.from + inside, 0);
}

DEVICE_KERNEL(scatter_f32, ScatterArgs) {
  scatter<float, float>(args);
}
DEVICE_KERNEL(scatter_i32, ScatterArgs) {
  scatter<int32_t, uint32_t>(args);
}
DEVICE_KERNEL(scatter_i64, ScatterArgs) {
  scatter<int64_t, uint64_t>(args);
}

DEVICE_KERNEL(fill_words, FillArgs) {
  const int64_t i = global_thread();
  if (i < args.count) args.words[i] = args.value;
}

}  // namespace halftone::cuda
