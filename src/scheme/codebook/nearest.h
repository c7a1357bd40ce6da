#pragma once

#include <cstdint>
#include <span>

namespace halftone {

/// The index of the entry of `codebook` (ascending, at most 256) nearest to each values[i] / scale; of two
/// equally near the lower. scale must not be 0.
void nearest_codes(std::span<const float> values, float scale, std::span<const float> codebook,
                   std::span<uint8_t> codes);

}  // namespace halftone
