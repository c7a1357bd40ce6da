#pragma once

#include "backend/cuda/device/four.h"

namespace halftone::cuda {

constexpr int kBroadcastDims = 6;

/// Which elements of `kInputs` inputs meet in element (i0, ..) of y: those at the sums of their steps. Where
/// `wide`, a thread takes four neighbours along the last dimension: its extent is a multiple of four, inputs
/// step by 0 or 1 along it, everything is aligned to four elements (at most 16 bytes); otherwise it takes one
/// element.
template <int kInputs>
struct Broadcast {
  uint32_t count;                          ///< of threads that have something to do
  uint32_t extents[kBroadcastDims];        ///< the first `dims`, outermost first; of threads along the last
  int64_t steps[kInputs][kBroadcastDims];  ///< in elements; along the last dimension from thread to thread
  int32_t dims;
  bool wide;
};

/// Where thread `i` of all reads.
template <int kInputs>
DEVICE void locate(const Broadcast<kInputs>& at, uint32_t i, int64_t (&from)[kInputs]) {
  UNROLL
  for (int n = 0; n < kInputs; ++n) from[n] = 0;
  uint32_t rest = i;
  UNROLL
  for (int d = kBroadcastDims - 1; d >= 0; --d) {
    if (d >= at.dims) continue;
    const uint32_t above = d == 0 ? 0 : rest / at.extents[d], index = rest - above * at.extents[d];
    rest = above;
    UNROLL
    for (int n = 0; n < kInputs; ++n) from[n] += index * at.steps[n][d];
  }
}

/// The four elements from `at` on, or the one there four times.
template <class T>
DEVICE Four<T> load_four(const T* at, bool same) {
  if (!same) return load_wide<Four<T>>(at);
  const T one = *at;
  return {{one, one, one, one}};
}

/// y = f(a, b) of all elements.
template <class In, class Out, class F>
DEVICE void each_pair(const Broadcast<2>& at, const In* a, const In* b, Out* y, F f) {
  const uint32_t i = static_cast<uint32_t>(block_x()) * static_cast<uint32_t>(block_threads()) +
                     static_cast<uint32_t>(thread());
  if (i >= at.count) return;
  int64_t from[2];
  locate(at, i, from);
  if (!at.wide) {
    y[i] = static_cast<Out>(f(a[from[0]], b[from[1]]));
    return;
  }
  const Four<In> as = load_four(a + from[0], at.steps[0][at.dims - 1] == 0),
                 bs = load_four(b + from[1], at.steps[1][at.dims - 1] == 0);
  Four<Out> ys;
  UNROLL
  for (int k = 0; k < 4; ++k) ys.of[k] = static_cast<Out>(f(as.of[k], bs.of[k]));
  store_wide(y + 4 * int64_t{i}, ys);
}

}  // namespace halftone::cuda
