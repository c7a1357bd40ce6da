#pragma once

// For sources compiled for AMX only.

#include <cstdint>
#include <immintrin.h>

namespace halftone {

/// What _tile_loadconfig() reads (Intel's manual, "LDTILECFG"): the rows of each tile register, and how many
/// bytes of each row are used. Tiles of 16 rows of 64 bytes are full.
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

namespace {

/// Between stores and the tile loads that read them: g++ 12 takes the latter for instructions that read no
/// memory.
inline void finish_stores() {
  asm volatile("" ::: "memory");
}

/// _tile_loadconfig(), which g++ 12 takes for a load of 8 bytes, so that it would leave the rest unwritten.
inline void load_shapes(const AmxTiles& tiles) {
  asm volatile("" ::"r"(&tiles) : "memory");
  _tile_loadconfig(&tiles);
}

}  // namespace

}  // namespace halftone
