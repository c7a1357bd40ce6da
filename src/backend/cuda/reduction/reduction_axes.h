#pragma once

#include <vector>

#include "backend/cuda/reduction/reduction_kernels.h"
#include "core/shape.h"

namespace halftone::cuda {

/// The axes of a tensor that lies row-major, parted into those that stay and those that go, neighbours of a
/// kind made one.
struct PartedAxes {
  ReductionAxes kept{}, reduced{};
  bool last_goes = false;  ///< whether neighbouring elements fall together
};
PartedAxes part_axes(const Shape& shape, const std::vector<bool>& goes);

}  // namespace halftone::cuda
