#include "backend/cuda/top_k/top_k_kernels.h"

namespace halftone::cuda {
namespace {

template <class T>
struct Ranked {
  T value;
  int32_t at;  ///< -1: none
};

template <class T>
DEVICE bool is_less(T a, T b) {
  const auto x = widened(a), y = widened(b);
  const bool x_number = x == x, y_number = y == y;
  return x_number && y_number ? x < y : x_number && !y_number;
}

template <class T>
DEVICE bool comes_before(const Ranked<T>& a, const Ranked<T>& b, bool largest) {
  if (a.at < 0 || b.at < 0) return a.at >= 0;
  const bool less = is_less(a.value, b.value), greater = is_less(b.value, a.value);
  return less || greater ? (largest ? greater : less) : a.at < b.at;
}

/// The elements [0, list) in order, and the next as many.
template <class T>
class Lists {
 public:
  DEVICE_MEMBER Lists(int size, bool largest)
      : values_(shared_memory<T>(0)),
        places_(shared_memory<int32_t>(2 * static_cast<size_t>(size) * sizeof(T))),
        scratch_(shared_memory<int>(2 * static_cast<size_t>(size) * (sizeof(T) + sizeof(int32_t)))),
        size_(size),
        largest_(largest) {}

  DEVICE_MEMBER Ranked<T> operator[](int i) const {
    return {static_cast<T>(values_[i]), static_cast<int32_t>(places_[i])};
  }
  DEVICE_MEMBER void set(int i, const Ranked<T>& element) const {
    values_[i] = element.value;
    places_[i] = element.at;
  }
  DEVICE_MEMBER bool any(bool condition) const { return block_max(condition ? 1 : 0, scratch_) > 0; }

  /// Sorts the second half, the last first, and takes the better of what it and the list have.
  DEVICE_MEMBER void merge() const {
    for (int run = 2; run <= size_; run *= 2)
      for (int gap = run / 2; gap > 0; gap /= 2) exchange(size_, gap, [=](int i) { return (i & run) != 0; });
    sync_block();
    for (int i = thread(); i < size_; i += block_threads()) {
      const Ranked<T> kept = (*this)[i], come = (*this)[size_ + i];
      if (comes_before(come, kept, largest_)) set(i, come);
    }
    for (int gap = size_ / 2; gap > 0; gap /= 2) exchange(0, gap, [](int) { return true; });
    sync_block();
  }

 private:
  /// Compares the elements from `first` on with those `gap` further on; before(i) says whether the i-th pair
  /// is to be in order, or else the other way round.
  template <class Before>
  DEVICE_MEMBER void exchange(int first, int gap, Before before) const {
    sync_block();
    for (int pair = thread(); pair < size_ / 2; pair += block_threads()) {
      const int low = 2 * pair - (pair & (gap - 1)), high = low + gap;
      const Ranked<T> a = (*this)[first + low], b = (*this)[first + high];
      if (comes_before(b, a, largest_) != before(low)) continue;
      set(first + low, b);
      set(first + high, a);
    }
  }

  Shared<T> values_;
  Shared<int32_t> places_;
  Shared<int> scratch_;
  int size_;
  bool largest_;
};

template <class T>
DEVICE void top_k(const TopKArgs<T>& args) {
  const int64_t line = block_x(), part = block_y(), parts = grid_y();
  const int64_t outer = line / args.step * args.step, inner = line - outer;
  const T* x = args.x + outer * args.length + inner;
  const int64_t each = (args.length + parts - 1) / parts, begin = part * each,
                end = begin + each < args.length ? begin + each : args.length;
  const Lists<T> lists(args.list, args.largest);
  for (int i = thread(); i < args.list; i += block_threads()) lists.set(i, {T{}, -1});
  for (int64_t first = begin; first < end; first += args.list) {
    sync_block();
    const Ranked<T> last = lists[args.list - 1];
    bool better = false;
    for (int i = thread(); i < args.list; i += block_threads()) {
      Ranked<T> next{T{}, -1};
      const int64_t at = first + i;
      if (at < end)
        next = {x[at * args.step], args.of ? args.of[line * args.length + at] : static_cast<int32_t>(at)};
      better = better || comes_before(next, last, args.largest);
      lists.set(args.list + i, next);
    }
    if (lists.any(better)) lists.merge();
  }
  sync_block();
  for (int i = thread(); i < args.k; i += block_threads()) {
    const Ranked<T> found = lists[i];
    if (args.long_places) {
      const int64_t above = line / args.to_step * args.to_step;
      const int64_t to = above * args.k + line - above + i * args.to_step;
      args.values[to] = found.value;
      args.long_places[to] = found.at;
    } else {
      const int64_t to = (line * parts + part) * args.k + i;
      args.values[to] = found.value;
      args.places[to] = found.at;
    }
  }
}

}  // namespace

DEVICE_KERNEL(top_k_f32, FloatTopKArgs) {
  top_k(args);
}
DEVICE_KERNEL(top_k_f16, HalfTopKArgs) {
  top_k(args);
}
DEVICE_KERNEL(top_k_bf16, BrainTopKArgs) {
  top_k(args);
}
DEVICE_KERNEL(top_k_i32, IntTopKArgs) {
  top_k(args);
}
DEVICE_KERNEL(top_k_i64, LongTopKArgs) {
  top_k(args);
}

}  // namespace halftone::cuda
