#include "ops/strided.h"

namespace halftone {

Strides row_major_strides(const Shape& shape) {
  Strides strides{};
  int64_t step = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<size_t>(axis)] = step;
    step *= shape[axis];
  }
  return strides;
}

Strides broadcast_strides(const Shape& operand, const Shape& out) {
  const Strides dense = row_major_strides(operand);
  const int lead = out.rank() - operand.rank();
  Strides strides{};
  for (int axis = 0; axis < operand.rank(); ++axis)
    if (operand[axis] != 1) strides[static_cast<size_t>(lead + axis)] = dense[static_cast<size_t>(axis)];
  return strides;
}

}  // namespace halftone
