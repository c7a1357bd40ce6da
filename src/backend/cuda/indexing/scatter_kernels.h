#pragma once

#include "backend/cuda/indexing/indexing_kernels.h"

namespace halftone::cuda {

/// Where updates go: update u = (line, place, inside) with `length` places to a line and `slice` elements
/// that go together. ScatterElements: a line of updates meets only a line of the output, at index[line,
/// place]. ScatterND: one line, whose places are the coordinates.
struct ScatterPlaces {
  SlicePlaces slices;              ///< ScatterND, with depth > 0
  Indices indices;                 ///< ScatterElements
  uint32_t extents[kIndexDims];    ///< of the lines: those of the indices but for the axis
  int64_t from_steps[kIndexDims];  ///< of lines in indices and updates
  int64_t to_steps[kIndexDims];    ///< of lines in the output
  int64_t from_step, to_step;      ///< from place to place
  int64_t size;                    ///< of the output along the axis
  int64_t lines, length, slice;
  int32_t dims;
};

enum class Scatter : int32_t { replace, add, multiply, max, min };

/// The output already holds data. Where several updates meet one place, they do in their order, so that the
/// same bits come each time and the last one wins.
///
/// `replace`: a launch marks which update comes last at each place (winners, one for each element of the
/// output, or slice; -1 before), another writes those. Everything else: a thread goes along a line, one for
/// each element of a slice.
struct ScatterArgs {
  const void* updates;
  void* out;
  int32_t* winners;
  ScatterPlaces places;
  Scatter how;
  int32_t bytes;
};
DECLARE_DEVICE_KERNEL(scatter_mark, ScatterArgs);
DECLARE_DEVICE_KERNEL(scatter_write, ScatterArgs);
DECLARE_DEVICE_KERNEL(scatter_f32, ScatterArgs);
DECLARE_DEVICE_KERNEL(scatter_i32, ScatterArgs);
DECLARE_DEVICE_KERNEL(scatter_i64, ScatterArgs);

/// words[i] = value.
struct FillArgs {
  int32_t* words;
  int64_t count;
  int32_t value;
};
DECLARE_DEVICE_KERNEL(fill_words, FillArgs);

}  // namespace halftone::cuda
