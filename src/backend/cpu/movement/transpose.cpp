#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "backend/cpu/movement/stored_shape.h"
#include "ops/strided.h"

// Values in another order of their bytes: Transpose, and Identity between planar and channels-last.

namespace halftone::cpu {
namespace {

/// A copy over at most Shape::kMaxRank axes: to is dense, from has these steps (in elements), both merged
/// where neighbours lie together.
struct Turn {
  int rank = 0;
  std::array<int64_t, Shape::kMaxRank> size{}, step{};

  void add(int64_t axis_size, int64_t axis_step) {
    if (axis_size == 1) return;
    if (rank > 0 && step[static_cast<size_t>(rank - 1)] == axis_size * axis_step) {
      size[static_cast<size_t>(rank - 1)] *= axis_size;
      step[static_cast<size_t>(rank - 1)] = axis_step;
      return;
    }
    add_last(axis_size, axis_step);
  }
  void add_last(int64_t axis_size, int64_t axis_step) {
    size[static_cast<size_t>(rank)] = axis_size;
    step[static_cast<size_t>(rank)] = axis_step;
    ++rank;
  }
};

template <class T>
void copy_block(const T* from, int64_t from_step, T* to, int64_t rows, int64_t columns, int64_t to_step,
                int64_t column_step) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) to[r * to_step + c] = from[r * from_step + c * column_step];
}

/// The last two axes of the copy, in square blocks so that neither side strides over the cache.
template <class T>
void copy_plane(const T* from, T* to, int64_t rows, int64_t row_step, int64_t columns, int64_t column_step) {
  constexpr int64_t kBlock = 16;
  if (column_step == 1) {
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(to + r * columns, from + r * row_step, static_cast<size_t>(columns) * sizeof(T));
    return;
  }
  for (int64_t r = 0; r < rows; r += kBlock)
    for (int64_t c = 0; c < columns; c += kBlock) {
      const T* block = from + r * row_step + c * column_step;
      if (rows - r >= kBlock && columns - c >= kBlock)
        copy_block(block, row_step, to + r * columns + c, kBlock, kBlock, columns, column_step);
      else
        copy_block(block, row_step, to + r * columns + c, std::min(kBlock, rows - r),
                   std::min(kBlock, columns - c), columns, column_step);
    }
}

/// Rows [begin, end) of the last axis but one, counted through all planes.
template <class T>
void copy_rows(const Turn& turn, const T* from, T* to, int64_t begin, int64_t end) {
  const size_t last = static_cast<size_t>(turn.rank - 1), rows_axis = last - 1;
  const int64_t columns = turn.size[last], rows = turn.size[rows_axis];
  while (begin < end) {
    const int64_t plane = begin / rows, first = begin % rows;
    int64_t offset = 0, rest = plane;
    for (size_t axis = rows_axis; axis-- > 0;) {
      offset += rest % turn.size[axis] * turn.step[axis];
      rest /= turn.size[axis];
    }
    const int64_t count = std::min(rows - first, end - begin);
    copy_plane(from + offset + first * turn.step[rows_axis], to + begin * columns, count,
               turn.step[rows_axis], columns, turn.step[last]);
    begin += count;
  }
}

/// Logical axis order[i] of the input becomes axis i of the output.
Turn make_turn(const Shape& from, const Storage& from_storage, const Shape& to, const Storage& to_storage,
               std::span<const int> order) {
  const Strides lying = row_major_strides(stored_shape(from, from_storage));
  std::array<int, Shape::kMaxRank> at{};  // logical axis of the output by where it lies
  for (int axis = 0; axis < to.rank(); ++axis)
    at[static_cast<size_t>(stored_axis(axis, to.rank(), to_storage))] = axis;
  Turn turn;
  for (int place = 0; place < to.rank(); ++place) {
    const int axis = at[static_cast<size_t>(place)];
    const int source = order[static_cast<size_t>(axis)];
    turn.add(to[axis], lying[static_cast<size_t>(stored_axis(source, from.rank(), from_storage))]);
  }
  if (turn.rank == 0) turn.add_last(1, 1);
  if (turn.rank == 1) {
    turn.size[1] = std::exchange(turn.size[0], 1);
    turn.step[1] = std::exchange(turn.step[0], 0);
    turn.rank = 2;
  }
  return turn;
}

class TurnKernel : public PreparedKernel {
 public:
  explicit TurnKernel(const OpSite& site) { fill_order(site, site.input_shape(0).rank(), order_); }

  void run(const KernelRun& run) const override {
    const Shape& from = run.inputs[0].tensor.shape;
    const Shape& to = run.outputs[0].shape;
    if (to.elements() == 0) return;
    const Turn turn = make_turn(from, run.site.inputs[0].storage, to, run.site.storage_of_output(0), order_);
    const size_t element = dtype_bytes(run.outputs[0].dtype);
    const int64_t columns = turn.size[static_cast<size_t>(turn.rank - 1)];
    const int64_t rows = to.elements() / columns;
    const int64_t grain = bytes_grain(static_cast<size_t>(columns) * element);
    run.threads.parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
      auto copy = [&](auto zero) {
        using T = decltype(zero);
        copy_rows(turn, reinterpret_cast<const T*>(run.inputs[0].tensor.data),
                  reinterpret_cast<T*>(run.outputs[0].data), begin, end);
      };
      if (element == 1) copy(uint8_t{});
      if (element == 2) copy(uint16_t{});
      if (element == 4) copy(uint32_t{});
      if (element == 8) copy(uint64_t{});
    });
  }

 private:
  static void fill_order(const OpSite& site, int rank, std::span<int> order) {
    const bool transposes = site.schema->name == "Transpose";
    for (int i = 0; i < rank; ++i) order[static_cast<size_t>(i)] = transposes ? rank - 1 - i : i;
    if (!transposes || !site.attributes->has("perm")) return;
    const std::vector<int64_t> perm = site.attributes->get_ints("perm", {});
    for (int i = 0; i < rank; ++i) {
      const int axis = static_cast<int>(perm[static_cast<size_t>(i)]);
      order[static_cast<size_t>(i)] = axis < 0 ? axis + rank : axis;
    }
  }

  std::array<int, Shape::kMaxRank> order_{};
};

/// Codes may be turned, not changed.
Refusal supports(const OpSite& site) {
  if (site.inputs[0].encoding) return "the input is encoded as " + site.inputs[0].encoding->str();
  if (site.inputs[0].constant) return "the input is a constant";
  if (site.inputs[0].storage.codes != site.storage_of_output(0).codes) return "numbers change between codes";
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<TurnKernel>(site);
}

}  // namespace

extern const Kernel transpose{"transpose", "Transpose", Isa::scalar, supports, prepare, true};
extern const Kernel reorder{"reorder", "Identity", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
