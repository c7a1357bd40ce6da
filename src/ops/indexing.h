#pragma once

#include <array>

#include "ops/op_schema.h"

namespace halftone {

/// A place in a tensor, by axis.
using Index = std::array<int64_t, Shape::kMaxRank>;

/// Calls body(i, index) for each position of `shape` in row-major order.
template <class Body>
void for_each_index(const Shape& shape, Body body) {
  const int64_t count = shape.elements();
  Index index{};
  for (int64_t i = 0; i < count; ++i) {
    body(i, index);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const auto a = static_cast<size_t>(axis);
      if (++index[a] < shape[axis]) break;
      index[a] = 0;
    }
  }
}

/// Requires an input to be i64 or i32, as indices are.
void require_indices(const OpSite& site, size_t input);

/// Attribute blocksize of DepthToSpace and SpaceToDepth. InputError where it is not positive and sane.
int64_t block_size(const OpSite& site);

}  // namespace halftone
