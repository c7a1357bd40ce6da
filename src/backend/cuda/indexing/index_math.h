#pragma once

#include "backend/cuda/indexing/indexing_kernels.h"

namespace halftone::cuda {

/// The i-th index of an axis of `size`, counted from the front; -1 where it is outside.
DEVICE int64_t index_at(const Indices& indices, int64_t i, int64_t size) {
  int64_t index =
      indices.wide ? static_cast<const int64_t*>(indices.at)[i] : static_cast<const int32_t*>(indices.at)[i];
  if (index < 0) index += size;
  return index >= 0 && index < size ? index : -1;
}

/// Where slice s begins, in elements; -1 where a coordinate is outside.
DEVICE int64_t slice_begin(const SlicePlaces& places, int64_t s) {
  int64_t begin = 0;
  for (int d = 0; d < places.depth; ++d) {
    const int64_t index = index_at(places.indices, s * places.depth + d, places.sizes[d]);
    if (index < 0) return -1;
    begin += index * places.steps[d];
  }
  return begin;
}

/// to[i] = from[j], or `missing` where j < 0.
DEVICE void copy_word(int32_t bytes, void* to, int64_t i, const void* from, int64_t j, uint64_t missing) {
  const bool inside = j >= 0;
  switch (bytes) {
    case 8:
      static_cast<uint64_t*>(to)[i] = inside ? static_cast<const uint64_t*>(from)[j] : missing;
      return;
    case 4:
      static_cast<uint32_t*>(to)[i] =
          inside ? static_cast<const uint32_t*>(from)[j] : static_cast<uint32_t>(missing);
      return;
    case 2:
      static_cast<uint16_t*>(to)[i] =
          inside ? static_cast<const uint16_t*>(from)[j] : static_cast<uint16_t>(missing);
      return;
    default:
      static_cast<uint8_t*>(to)[i] =
          inside ? static_cast<const uint8_t*>(from)[j] : static_cast<uint8_t>(missing);
  }
}

DEVICE int64_t global_thread() {
  return int64_t{block_x()} * block_threads() + thread();
}

}  // namespace halftone::cuda
