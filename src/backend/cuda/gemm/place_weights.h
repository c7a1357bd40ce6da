#pragma once

#include <cstdint>
#include <span>

namespace halftone::cuda {

/// Row `row` of a tile of weights (0 to 15) goes to its places among the tile's words, in the order of
/// WeightsView. A row has as many columns as are packed.

/// Codes of 2, 4 or 8 bits. The words must be zeros before the tile's first row.
void place_codes(std::span<const uint8_t> codes, int bits, int row, uint32_t* tile);

/// The bits of f16 numbers; of split weights the high ones, or the low ones behind the first unit.
void place_halves(std::span<const uint16_t> halves, int row, bool split, uint32_t* tile);

}  // namespace halftone::cuda
