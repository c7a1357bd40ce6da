#include "backend/cpu/tile/packed_panels.h"

#include <algorithm>

#include "base/checked.h"

namespace halftone::cpu {

PackedPanels::PackedPanels(const FloatTileLoops& loops, int64_t outputs, int64_t depth,
                           const std::function<float(int64_t n, int64_t k)>& weight,
                           const std::function<float(int64_t n)>& bias) {
  const int64_t vector = loops.width / 2;
  const int64_t padded = round_up(outputs, vector);
  bias_offset_ = padded * depth;
  const size_t bytes = static_cast<size_t>(bias_offset_ + padded) * sizeof(float);
  memory_ = PackedMemory(bytes, [&](std::byte* memory) {
    float* to = reinterpret_cast<float*>(memory);
    for (int64_t n = 0; n < outputs; n += loops.width) {
      const int64_t width = std::min(loops.width, padded - n);
      for (int64_t k = 0; k < depth; ++k)
        for (int64_t i = 0; i < width; ++i) *to++ = n + i < outputs ? weight(n + i, k) : 0.0f;
    }
    for (int64_t n = 0; n < padded; ++n) *to++ = n < outputs ? bias(n) : 0.0f;
  });
}

}  // namespace halftone::cpu
