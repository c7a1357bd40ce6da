#pragma once

#include <vector>

#include "backend/cuda/broadcast/broadcast_kernels.h"
#include "backend/cuda/elementwise.h"
#include "backend/kernel.h"

namespace halftone::cuda {

/// An operand of a broadcast: its shape, where it lies, bytes of an element.
struct BroadcastOperand {
  Shape shape;
  const void* data;
  size_t bytes;
};

/// The dimensions of y as it lies (stored as `storage`) beside the operands', neighbours along which all go
/// on evenly made one: extents[d], steps[n][d].
struct BroadcastSteps {
  std::vector<int64_t> extents;
  std::vector<std::vector<int64_t>> steps;  ///< by operand
  bool wide;                                ///< whether threads may take four neighbours
};
BroadcastSteps broadcast_steps(std::span<const BroadcastOperand> operands, const BroadcastOperand& y,
                               const Storage& storage);

template <int kInputs>
Broadcast<kInputs> broadcast_of(const BroadcastSteps& from) {
  Broadcast<kInputs> at{};
  at.dims = static_cast<int32_t>(from.extents.size());
  at.wide = from.wide;
  at.count = 1;
  for (size_t d = 0; d < from.extents.size(); ++d) {
    const bool fours = from.wide && d + 1 == from.extents.size();
    at.extents[d] = static_cast<uint32_t>(from.extents[d] / (fours ? 4 : 1));
    at.count *= at.extents[d];
    for (size_t n = 0; n < kInputs; ++n) at.steps[n][d] = from.steps[n][d] * (fours ? 4 : 1);
  }
  return at;
}

/// Why elements of a site's inputs cannot meet: orders that differ, codes, more than 6 dimensions, 2^31
/// elements; empty when they can. Says nothing of types.
Refusal broadcast_refusal(const OpSite& site);

/// "B is i64, not f32" where one of the inputs is encoded or of another type than `dtype`; empty otherwise.
Refusal not_all_of(const OpSite& site, DType dtype);

}  // namespace halftone::cuda
