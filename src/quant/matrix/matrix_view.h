#pragma once

#include <cstdint>

namespace halftone {

/// A matrix of f32 that somebody else owns; element (r, c) is data[r * row_step + c * column_step], so that
/// the transposed costs nothing.
template <class Number>
struct BasicMatrixView {
  Number* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t row_step = 0;
  int64_t column_step = 1;

  Number& at(int64_t r, int64_t c) const { return data[r * row_step + c * column_step]; }
  BasicMatrixView transposed() const { return {data, columns, rows, column_step, row_step}; }
  /// Rows [r, r + rows), columns [c, c + columns).
  BasicMatrixView part(int64_t r, int64_t c, int64_t part_rows, int64_t part_columns) const {
    return {data + r * row_step + c * column_step, part_rows, part_columns, row_step, column_step};
  }
  operator BasicMatrixView<const Number>() const { return {data, rows, columns, row_step, column_step}; }
};

using MatrixView = BasicMatrixView<const float>;
using MutableMatrixView = BasicMatrixView<float>;

/// Dense, row-major.
inline MatrixView matrix(const float* data, int64_t rows, int64_t columns) {
  return {data, rows, columns, columns, 1};
}
inline MutableMatrixView matrix(float* data, int64_t rows, int64_t columns) {
  return {data, rows, columns, columns, 1};
}

}  // namespace halftone
