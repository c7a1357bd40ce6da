#pragma once

#include <array>
#include <cstddef>

#include "backend/kernel.h"
#include "ops/strided.h"

namespace halftone::cpu {

/// The dimensions of an output as it lies, and how far each input goes along them (in elements, 0
/// where it is broadcast); neighbours along which all go on evenly are one. At least one dimension.
struct BroadcastAxes {
  int rank = 0;
  Strides extents{};
  std::array<Strides, 3> steps{};  ///< by input
};
/// Of three inputs at most.
BroadcastAxes broadcast_axes(std::span<const SiteInput> inputs, const Shape& out, const Storage& out_storage);
/// Of all inputs and the first output of a site.
BroadcastAxes broadcast_axes(const OpSite& site);

/// Empty when no value of the site is stored as codes and no constant encoded: their elements then meet
/// however they lie.
Refusal broadcast_refusal(const OpSite& site);

/// Calls row(from, to, count) for elements [begin, end) of the output, by pieces along the last dimension:
/// `from` are the offsets in the inputs where a piece begins, `to` that in the output.
template <size_t kInputs, class Row>
void each_row(const BroadcastAxes& axes, int64_t begin, int64_t end, Row row) {
  const auto last = static_cast<size_t>(axes.rank - 1);
  const int64_t width = axes.extents[last];
  Strides index{};
  std::array<int64_t, kInputs> from{};  // where the line begins
  int64_t rest = begin / width, inside = begin % width;
  for (size_t axis = last; axis-- > 0;) {
    index[axis] = rest % axes.extents[axis];
    rest /= axes.extents[axis];
    for (size_t n = 0; n < kInputs; ++n) from[n] += index[axis] * axes.steps[n][axis];
  }
  while (begin < end) {
    const int64_t count = std::min(width - inside, end - begin);
    std::array<int64_t, kInputs> at = from;
    for (size_t n = 0; n < kInputs; ++n) at[n] += inside * axes.steps[n][last];
    row(at, begin, count);
    begin += count;
    inside = 0;
    for (size_t axis = last; axis-- > 0;) {
      for (size_t n = 0; n < kInputs; ++n) from[n] += axes.steps[n][axis];
      if (++index[axis] < axes.extents[axis]) break;
      for (size_t n = 0; n < kInputs; ++n) from[n] -= axes.extents[axis] * axes.steps[n][axis];
      index[axis] = 0;
    }
  }
}

}  // namespace halftone::cpu
