#pragma once

#include "backend/cuda/launch.h"

namespace halftone::cuda {

/// How large the measurements are; the defaults suit a GPU.
struct ProbeSize {
  size_t read_bytes = size_t{1} << 30;  ///< many times the last cache
  int product_rounds = 4096;
  int repetitions = 5;
};

/// What the device really does, the best of some repetitions: reads of memory, products of f16 summed in f32,
/// products of bytes summed in 32 bits. `mma.sync` is what is measured, so on Hopper the peaks are those of
/// that instruction and not of the chip's own warp-group products.
Roofs measure_roofs(Device& device, const ProbeSize& size = {});

}  // namespace halftone::cuda
