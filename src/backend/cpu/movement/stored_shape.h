#pragma once

#include "backend/kernel.h"

namespace halftone::cpu {

// Kernels that move whole elements see values as their bytes lie: row-major in this shape, on this axis.

/// The dimensions as they lie.
Shape stored_shape(const Shape& shape, const Storage& storage);
/// Where axis `axis` of a value of `rank` dimensions lies.
int stored_axis(int axis, int rank, const Storage& storage);

/// Empty when every activation and every output is stored the same way (codes of one scale too) and no
/// constant stands among the first `inputs` inputs of a value that is not plain.
Refusal unlike_storage_refusal(const OpSite& site, size_t inputs);

/// Seen from an axis: [outer][size][inner bytes].
struct AxisView {
  int64_t outer = 1, size = 1;
  size_t inner = 1;
};
AxisView axis_view(const Shape& stored, int axis, size_t element);

/// Bytes that a piece of parallel work should move, over the bytes of one item.
int64_t bytes_grain(size_t item);

}  // namespace halftone::cpu
