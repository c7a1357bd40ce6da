#pragma once

#include <array>

#include "core/shape.h"

namespace halftone {

/// Elements to step over for each index along an axis.
using Strides = std::array<int64_t, Shape::kMaxRank>;

/// Of a dense row-major tensor.
Strides row_major_strides(const Shape& shape);

/// Of an operand of shape `operand` read at the positions of `out`, to which it broadcasts as ONNX does (axes
/// aligned at the back): 0 where one element is read again and again.
Strides broadcast_strides(const Shape& operand, const Shape& out);

/// Calls body(i, offsets) for each position of `shape` in row-major order; offsets[n] is the sum of index
/// times strides[n].
template <size_t N, class Body>
void walk(const Shape& shape, const std::array<Strides, N>& strides, Body body) {
  const int64_t count = shape.elements();
  std::array<int64_t, Shape::kMaxRank> index{};
  std::array<int64_t, N> offsets{};
  for (int64_t i = 0; i < count; ++i) {
    body(i, offsets);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const auto a = static_cast<size_t>(axis);
      for (size_t n = 0; n < N; ++n) offsets[n] += strides[n][a];
      if (++index[a] < shape[axis]) break;
      for (size_t n = 0; n < N; ++n) offsets[n] -= shape[axis] * strides[n][a];
      index[a] = 0;
    }
  }
}

}  // namespace halftone
