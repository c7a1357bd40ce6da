#pragma once

#include "ops/elementwise.h"

namespace halftone {

/// ONNX MatMul (13): the matrix product of the last two axes, the others broadcast; a vector on the left is a
/// row, on the right a column, and its axis of 1 vanishes. Floating types and i32, i64.
///
/// A quantized constant is decoded; an activation encoding on a use is refused (linear layers are Gemm, which
/// has the integer path). The reference sums in double (integers wrap around).
const OpSchema& mat_mul_schema();

/// One product at the shapes that ONNX's rules for vectors give: A [batch..., m, k], B [batch..., k, n].
struct MatMulExtent {
  Shape a, b;
  Shape batch;
  int64_t m, k, n;
  bool a_vector, b_vector;

  Shape output() const;
};
/// InputError where the shapes do not fit.
MatMulExtent mat_mul_extent(const OpSite& site, const Shape& a, const Shape& b);

/// The dimensions before the last two.
Shape batch_shape(const Shape& shape);

/// y = A B; f64 sums of floating types, integers wrap around.
template <class T>
void multiply(const MatMulExtent& e, std::span<const T> a, std::span<const T> b, std::span<T> y) {
  using Sum = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
  const int64_t a_size = e.m * e.k;
  const int64_t b_size = e.k * e.n;
  walk<2>(e.batch,
          {broadcast_strides(batch_shape(e.a), e.batch), broadcast_strides(batch_shape(e.b), e.batch)},
          [&](int64_t batch, const std::array<int64_t, 2>& at) {
            for (int64_t row = 0; row < e.m; ++row)
              for (int64_t column = 0; column < e.n; ++column) {
                Sum sum = 0;
                for (int64_t i = 0; i < e.k; ++i)
                  sum += static_cast<Sum>(widen(a[static_cast<size_t>(at[0] * a_size + row * e.k + i)])) *
                         static_cast<Sum>(widen(b[static_cast<size_t>(at[1] * b_size + i * e.n + column)]));
                y[static_cast<size_t>((batch * e.m + row) * e.n + column)] = narrow<T>(sum);
              }
          });
}

}  // namespace halftone
