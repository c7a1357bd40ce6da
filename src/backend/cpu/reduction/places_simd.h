#pragma once

// Where the largest and smallest numbers stand; for per-ISA sources only (simd.h).

#include "backend/cpu/reduction/fold_simd.h"

namespace halftone::cpu {
namespace {

/// Whether x takes the place of the best before it.
template <bool kSmallest, bool kLast>
bool beats(float x, float best) {
  const bool better = kSmallest ? x < best : x > best, equal = kLast && x == best;
  const bool number = best == best, is_nan = x != x;
  return (number & (better | equal | is_nan)) | (kLast & is_nan);
}

template <bool kSmallest, bool kLast>
void find_places(const float* x, int64_t count, int64_t step, int64_t* places, int64_t columns) {
  constexpr int64_t kMost = 256;
  float best[kMost];
  int32_t found[kMost];
  for (int64_t first = 0; first < columns; first += kMost) {
    const int64_t part = columns - first < kMost ? columns - first : kMost;
    for (int64_t i = 0; i < part; ++i) {
      best[i] = x[first + i];
      found[i] = 0;
    }
    for (int64_t r = 1; r < count; ++r) {
      const float* row = x + r * step + first;
      for (int64_t i = 0; i < part; ++i) {
        const bool take = beats<kSmallest, kLast>(row[i], best[i]);
        best[i] = take ? row[i] : best[i];
        found[i] = take ? static_cast<int32_t>(r) : found[i];
      }
    }
    for (int64_t i = 0; i < part; ++i) places[first + i] = found[i];
  }
}

/// Along a row: the best by vectors, then where it stands.
template <bool kSmallest, bool kLast>
int64_t find_place(const float* x, int64_t count) {
  const float best = kSmallest ? fold_run<MinFold>(x, count) : fold_run<MaxFold>(x, count);
  const bool nan = best != best;
  for (int64_t n = 0; n < count; ++n) {
    const int64_t i = kLast ? count - 1 - n : n;
    if (nan ? x[i] != x[i] : x[i] == best) return i;
  }
  return 0;
}

template <bool kSmallest, bool kLast>
void places_of(const float* x, int64_t count, int64_t step, int64_t* places, int64_t columns) {
  if (columns == 1 && step == 1)
    places[0] = find_place<kSmallest, kLast>(x, count);
  else
    find_places<kSmallest, kLast>(x, count, step, places, columns);
}

void places(bool smallest, bool last, const float* x, int64_t count, int64_t step, int64_t* to,
            int64_t columns) {
  if (smallest)
    last ? places_of<true, true>(x, count, step, to, columns)
         : places_of<true, false>(x, count, step, to, columns);
  else
    last ? places_of<false, true>(x, count, step, to, columns)
         : places_of<false, false>(x, count, step, to, columns);
}

constexpr FoldLoops kFoldLoops{run, rows, places};

}  // namespace
}  // namespace halftone::cpu
