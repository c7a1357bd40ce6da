#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Reads `count` 16-byte words, each once, the grid side by side. `sink` keeps the compiler from leaving it
/// out: it is written only if all words together have one certain parity.
struct ReadProbeArgs {
  const Words4* words;
  int64_t count;
  uint32_t* sink;
};

/// `rounds` rounds of kProbeProducts independent m16n8k16 (f16, f32 sums) or m16n8k32 (s8) products in each
/// warp.
struct ProductProbeArgs {
  int rounds;
  uint32_t* sink;
};
constexpr int kProbeProducts = 8;

DECLARE_DEVICE_KERNEL(read_probe, ReadProbeArgs);
DECLARE_DEVICE_KERNEL(f16_probe, ProductProbeArgs);
DECLARE_DEVICE_KERNEL(s8_probe, ProductProbeArgs);

}  // namespace halftone::cuda
