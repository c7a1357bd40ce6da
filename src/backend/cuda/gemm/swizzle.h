#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Byte of a piece of rows, 128 bytes each, where the 16 bytes `chunk` of a row lie: eight lanes
/// that read four chunks each of two neighbouring rows meet all banks.
DEVICE int swizzled(int row, int chunk) {
  return row * 128 + ((chunk ^ ((row & 1) << 2)) << 4);
}

/// Where a block leaves the sum of a row of A and one of its 128 outputs, to store them all in order: what
/// the lanes of a D fragment write meets all banks.
DEVICE int staged(int row, int output) {
  return row * 132 + output;
}

}  // namespace halftone::cuda
