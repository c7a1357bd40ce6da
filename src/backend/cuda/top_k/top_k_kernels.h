#pragma once

#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

/// The k first elements of each line in order: the largest (or smallest) first, NaN above every number, of
/// equals the one that stands first. Block (line, part) looks at an even share of a line, `list` elements at
/// a time: those that beat the last of its list are sorted (bitonic) and merged into it. With more than one
/// part, what each found lies in `values` and `places` [lines, parts, k], and another launch over these with
/// `of` = places joins them.
template <class T>
struct TopKArgs {
  const T* x;         ///< element i of a line lies at line / step * step * length + line % step + i * step
  const int32_t* of;  ///< the place of each element, -1 where there is none; null: its own
  T* values;
  int64_t* long_places;  ///< laid out as x, with k for length and to_step for step, as are values; or null
  int32_t* places;       ///< [lines, parts, k] otherwise, as are values
  int64_t length, step, to_step;
  int32_t k;
  int32_t list;  ///< a power of two, at least k
  bool largest;
};
using FloatTopKArgs = TopKArgs<float>;
using HalfTopKArgs = TopKArgs<f16>;
using BrainTopKArgs = TopKArgs<bf16>;
using IntTopKArgs = TopKArgs<int32_t>;
using LongTopKArgs = TopKArgs<int64_t>;

constexpr int kLongestList = 2048, kTopKThreads = 256;
/// The list, and as many elements that come to it; then room for what the warps say.
template <class T>
size_t top_k_shared(int list) {
  return 2 * static_cast<size_t>(list) * (sizeof(T) + sizeof(int32_t)) + kWarp * sizeof(int);
}

DECLARE_DEVICE_KERNEL(top_k_f32, FloatTopKArgs);
DECLARE_DEVICE_KERNEL(top_k_f16, HalfTopKArgs);
DECLARE_DEVICE_KERNEL(top_k_bf16, BrainTopKArgs);
DECLARE_DEVICE_KERNEL(top_k_i32, IntTopKArgs);
DECLARE_DEVICE_KERNEL(top_k_i64, LongTopKArgs);

}  // namespace halftone::cuda
