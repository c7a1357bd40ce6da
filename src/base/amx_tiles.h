#pragma once

#include <cstdint>

namespace halftone {

/// What _tile_loadconfig() reads (Intel's manual, "LDTILECFG"): the rows of each tile register, and how many
/// bytes of each row are used. Tiles of 16 rows of 64 bytes are full. Keep it in static memory: g++ 12
/// believes that the instruction reads 8 bytes, and leaves the rest of a variable on the stack unwritten.
struct alignas(64) AmxTiles {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  static consteval AmxTiles all_full() {
    AmxTiles tiles;
    for (int i = 0; i < 8; ++i) {
      tiles.row_bytes[i] = 64;
      tiles.rows[i] = 16;
    }
    return tiles;
  }
};
static_assert(sizeof(AmxTiles) == 64);

}  // namespace halftone
