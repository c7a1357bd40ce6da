#pragma once

#include "backend/cuda/gemm/unpack.h"

namespace halftone::cuda {

/// Words of block b of a step of one lane, of the unit(s) at `at`.
template <WeightKind kind>
DEVICE void load_words(Shared<std::byte> at, int b, uint32_t* words) {
  if constexpr (kind == WeightKind::int4 || kind == WeightKind::table4) {
    const Words2 w = load_as<Words2>(at + (lane() * 16 + 8 * b));
    words[2 * b] = w.x;
    words[2 * b + 1] = w.y;
  } else if constexpr (kind == WeightKind::int2) {
    words[b] = load_as<uint32_t>(at + (lane() * 16 + 4 * b));
  } else {
    UNROLL
    for (int i = 0; i < Unpack<kind>::kWords; ++i) {
      const Words4 w = load_as<Words4>(at + ((b * Unpack<kind>::kWords + i) * kUnitBytes + lane() * 16));
      words[4 * i] = w.x;
      words[4 * i + 1] = w.y;
      words[4 * i + 2] = w.z;
      words[4 * i + 3] = w.w;
    }
  }
}

}  // namespace halftone::cuda
