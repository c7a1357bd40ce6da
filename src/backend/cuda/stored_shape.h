#pragma once

#include "ops/op_schema.h"

namespace halftone::cuda {

/// Where axis `axis` of a value of `rank` dimensions lies in memory.
inline int stored_axis(int axis, int rank, const Storage& storage) {
  if (storage.order == Storage::Order::planar || axis == 0) return axis;
  return axis == 1 ? rank - 1 : axis - 1;
}

/// The dimensions in the order in which they lie.
inline Shape stored_shape(const Shape& shape, const Storage& storage) {
  Shape stored = shape;
  for (int axis = 0; axis < shape.rank(); ++axis)
    stored[stored_axis(axis, shape.rank(), storage)] = shape[axis];
  return stored;
}

inline bool is_channels_last(const Storage& storage) {
  return storage.order == Storage::Order::channels_last;
}

}  // namespace halftone::cuda
