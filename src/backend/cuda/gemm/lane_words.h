#pragma once

#include "backend/cuda/gemm/many_tokens_kernels.h"
#include "backend/cuda/gemm/unpack.h"

namespace halftone::cuda {

/// A lane's words of 64 columns of a tile, and the raw fragment of one of their steps.
template <WeightKind kind>
struct LaneWords {
  static constexpr int kUnits = step_tile_bytes(kind) / kUnitBytes;
  uint32_t words[4 * kUnits];

  DEVICE_MEMBER void load(Shared<std::byte> tile) {
    UNROLL
    for (int i = 0; i < kUnits; ++i) {
      const Words4 w = load_as<Words4>(tile + (i * kUnitBytes + lane() * 16));
      words[4 * i] = w.x;
      words[4 * i + 1] = w.y;
      words[4 * i + 2] = w.z;
      words[4 * i + 3] = w.w;
    }
  }
  DEVICE_MEMBER void fragment(int step, uint32_t (&a)[4]) const {
    const int b = step / 2;
    if constexpr (kind == WeightKind::int4)
      Unpack<kind>::fragment(words, b, step % 2, nullptr, a);
    else
      Unpack<kind>::fragment(words + 2 * kUnits * b, 0, step % 2, nullptr, a);
  }
};

}  // namespace halftone::cuda
