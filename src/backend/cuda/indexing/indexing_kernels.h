#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

constexpr int kIndexDims = 8;

/// Indices of a tensor's axes; negative ones count from the back.
struct Indices {
  const void* at;
  bool wide;  ///< i64, otherwise i32
};

/// Elements are words of 1, 2, 4 or 8 bytes, whatever they stand for.

/// GatherElements: out[i0, ..] = data[i0, .., indices[i0, ..], ..]; `missing` where the index is outside.
struct GatherElementsArgs {
  const void* data;
  Indices indices;
  void* out;
  uint32_t extents[kIndexDims];  ///< of the output and the indices
  int64_t steps[kIndexDims];     ///< of data; 0 along the axis
  int64_t step, size;            ///< of data, along the axis
  uint64_t missing;
  uint32_t count;
  int32_t dims, bytes;
};
DECLARE_DEVICE_KERNEL(gather_elements_kernel, GatherElementsArgs);

/// Coordinates of slices: `depth` indices each, of axes of `sizes` and `steps`.
struct SlicePlaces {
  Indices indices;
  int64_t sizes[kIndexDims];
  int64_t steps[kIndexDims];
  int32_t depth;
};

/// GatherND: slice s of `slice` elements is that of data at the coordinates s, in batch s / per_batch.
struct GatherSlicesArgs {
  const void* data;
  void* out;
  SlicePlaces places;
  int64_t count;  ///< of the output's elements
  int64_t slice, per_batch, batch_step;
  uint64_t missing;
  int32_t bytes;
};
DECLARE_DEVICE_KERNEL(gather_slices_kernel, GatherSlicesArgs);

/// Trilu: matrices [rows, columns] with what is above (`upper`) or below the k-th diagonal, and zeros.
struct TriangleArgs {
  const void* x;
  const int64_t* k;  ///< null: 0
  void* y;
  int64_t count, rows, columns;
  int32_t bytes;
  bool upper;
};
DECLARE_DEVICE_KERNEL(triangle_kernel, TriangleArgs);

/// OneHot: y [outer, depth, inner] = values[1] where indices [outer, inner] name the place, values[0]
/// elsewhere. Indices as f32 (`real`) or as Indices.
struct OneHotArgs {
  Indices indices;
  const void* values;
  void* y;
  int64_t count, depth, inner;
  int32_t bytes;
  bool real;
};
DECLARE_DEVICE_KERNEL(one_hot_kernel, OneHotArgs);

/// CumSum along the axis of `length` elements `step` apart, a thread a line; floats in f64, integers wrap.
struct RunningSumArgs {
  const void* x;
  void* y;
  int64_t lines, length, step;
  bool exclusive, reverse;
};
DECLARE_DEVICE_KERNEL(running_sum_f32, RunningSumArgs);
DECLARE_DEVICE_KERNEL(running_sum_f16, RunningSumArgs);
DECLARE_DEVICE_KERNEL(running_sum_bf16, RunningSumArgs);
DECLARE_DEVICE_KERNEL(running_sum_i32, RunningSumArgs);
DECLARE_DEVICE_KERNEL(running_sum_i64, RunningSumArgs);

}  // namespace halftone::cuda
