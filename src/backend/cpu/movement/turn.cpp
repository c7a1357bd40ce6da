#include "backend/cpu/movement/turn.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/movement/stored_shape.h"

namespace halftone::cpu {
namespace {

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
  if (column_step == 0) {
    for (int64_t r = 0; r < rows; ++r) std::fill_n(to + r * columns, columns, from[r * row_step]);
    return;
  }
  if (column_step == 1) {
    if (columns < kBlock) return copy_block(from, row_step, to, rows, columns, columns, int64_t{1});
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

/// At least two axes, the first of which may be of size 1.
Turn with_rows(Turn turn) {
  while (turn.rank < 2) {
    for (auto axis = static_cast<size_t>(turn.rank); axis > 0; --axis) {
      turn.size[axis] = turn.size[axis - 1];
      turn.step[axis] = turn.step[axis - 1];
    }
    turn.size[0] = 1;
    turn.step[0] = 0;
    ++turn.rank;
  }
  return turn;
}

}  // namespace

void Turn::add(int64_t axis_size, int64_t axis_step) {
  if (axis_size == 1) return;
  const bool joins = rank > 0 && step[static_cast<size_t>(rank - 1)] == axis_size * axis_step;
  if (!joins) size[static_cast<size_t>(rank++)] = 1;
  size[static_cast<size_t>(rank - 1)] *= axis_size;
  step[static_cast<size_t>(rank - 1)] = axis_step;
}

void Turn::copy(const std::byte* from, std::byte* to, size_t element, ThreadPool& threads) const {
  const Turn turn = with_rows(*this);
  const int64_t columns = turn.size[static_cast<size_t>(turn.rank - 1)];
  int64_t rows = 1;
  for (int axis = 0; axis + 1 < turn.rank; ++axis) rows *= turn.size[static_cast<size_t>(axis)];
  if (rows * columns == 0) return;
  threads.parallel_for(
      rows, bytes_grain(static_cast<size_t>(columns) * element), [&](int64_t begin, int64_t end) {
        auto copy_as = [&](auto zero) {
          using T = decltype(zero);
          copy_rows(turn, reinterpret_cast<const T*>(from), reinterpret_cast<T*>(to), begin, end);
        };
        if (element == 1) copy_as(uint8_t{});
        if (element == 2) copy_as(uint16_t{});
        if (element == 4) copy_as(uint32_t{});
        if (element == 8) copy_as(uint64_t{});
      });
}

}  // namespace halftone::cpu
