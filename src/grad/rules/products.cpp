#include "grad/gradient_scope.h"

namespace halftone {

namespace {

/// [..., k] as one matrix [all others, k].
ValueId as_matrix(GradientScope& s, ValueId value) {
  const Shape shape = s.shape(value);
  if (shape.rank() == 2) return value;
  Shape matrix{1, shape.back()};
  for (int axis = 0; axis + 1 < shape.rank(); ++axis) {
    if (shape[axis] < 0 && matrix[0] != 1) s.refuse("at the symbolic shape " + shape.str());
    matrix[0] = shape[axis] < 0 ? shape[axis] : matrix[0] * shape[axis];
  }
  return s.reshape(value, matrix);
}

}  // namespace

/// Y = alpha A' B' + beta C, A' and B' transposed or not; A may have more than two dimensions, all but the
/// last of them rows.
void gemm_gradient(GradientScope& s) {
  if (s.attributes().has("activation")) s.refuse("with what a pass fused into it");
  const ValueId a = s.input(0), b = s.input(1), dy = s.gradient();
  const int64_t trans_a = s.attributes().get_int("transA", 0), trans_b = s.attributes().get_int("transB", 0);
  const float alpha = s.attributes().get_float("alpha", 1);
  auto product = [&](ValueId left, ValueId right, int64_t trans_left, int64_t trans_right) {
    return s.op("Gemm", {left, right}, {{"alpha", alpha}, {"transA", trans_left}, {"transB", trans_right}});
  };
  if (s.wants(0)) s.give(0, trans_a ? product(b, dy, trans_b, 1) : product(dy, b, 0, 1 - trans_b));
  if (s.wants(1)) {
    const ValueId rows = as_matrix(s, a), slopes = as_matrix(s, dy);
    s.give(1, trans_b ? product(slopes, rows, 1, trans_a) : product(rows, slopes, 1 - trans_a, 0));
  }
  if (s.wants(2)) s.give(2, s.times(s.sum_to(dy, s.shape(s.input(2))), s.attributes().get_float("beta", 1)));
}

/// The product of the last two axes. A matrix on the right sums over the others in one product of matrices.
void mat_mul_gradient(GradientScope& s) {
  const ValueId a = s.input(0), b = s.input(1), dy = s.gradient();
  const Shape a_shape = s.shape(a), b_shape = s.shape(b);
  if (a_shape.rank() < 2 || b_shape.rank() < 2) s.refuse("with a vector among its operands");
  if (b_shape.rank() == 2) {
    const ValueId rows = as_matrix(s, dy);
    if (s.wants(0)) s.give(0, s.reshape(s.op("Gemm", {rows, b}, {{"transB", int64_t{1}}}), a_shape));
    if (s.wants(1)) s.give(1, s.op("Gemm", {as_matrix(s, a), rows}, {{"transA", int64_t{1}}}));
    return;
  }
  if (s.wants(0)) s.give(0, s.sum_to(s.op("MatMul", {dy, s.turned(b)}), a_shape));
  if (s.wants(1)) s.give(1, s.sum_to(s.op("MatMul", {s.turned(a), dy}), b_shape));
}

}  // namespace halftone
