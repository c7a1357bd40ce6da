#pragma once

// The tile registers of AMX, for gemm_int_amx.cpp only (gemm_int_loops.h says why all
// of it is in an unnamed namespace).

#include <immintrin.h>

#include "backend/cpu/gemm/int_amx_tiles.h"
#include "base/amx_tiles.h"

namespace halftone::cpu {
namespace {

/// The tile registers: four of sums, two of activations, two of weights. Their numbers are part of the
/// instructions.
template <int kTile>
void zero_tile() {
  if constexpr (kTile == 0) _tile_zero(0);
  if constexpr (kTile == 1) _tile_zero(1);
  if constexpr (kTile == 2) _tile_zero(2);
  if constexpr (kTile == 3) _tile_zero(3);
}
template <int kTile>
void load_sums(const std::byte* from) {
  if constexpr (kTile == 0) _tile_loadd(0, from, kUnitBytes);
  if constexpr (kTile == 1) _tile_loadd(1, from, kUnitBytes);
  if constexpr (kTile == 2) _tile_loadd(2, from, kUnitBytes);
  if constexpr (kTile == 3) _tile_loadd(3, from, kUnitBytes);
}
template <int kTile>
void store_sums(std::byte* to) {
  if constexpr (kTile == 0) _tile_stored(0, to, kUnitBytes);
  if constexpr (kTile == 1) _tile_stored(1, to, kUnitBytes);
  if constexpr (kTile == 2) _tile_stored(2, to, kUnitBytes);
  if constexpr (kTile == 3) _tile_stored(3, to, kUnitBytes);
}
#define HALFTONE_ADD_PRODUCTS(dot)        \
  if constexpr (kTile == 0) dot(0, 4, 6); \
  if constexpr (kTile == 1) dot(1, 4, 7); \
  if constexpr (kTile == 2) dot(2, 5, 6); \
  if constexpr (kTile == 3) dot(3, 5, 7);
template <Codes kCodes, int kTile>
void add_products() {
  if constexpr (kCodes == Codes::raw) {
    HALFTONE_ADD_PRODUCTS(_tile_dpbsud)
  } else {
    HALFTONE_ADD_PRODUCTS(_tile_dpbssd)
  }
}
#undef HALFTONE_ADD_PRODUCTS

/// The rows of the tile registers and the bytes of each, as configured.
class TileRegisters {
 public:
  /// Whether upper and lower sums have so many rows already.
  bool have(int64_t upper, int64_t lower) const { return upper == upper_ && lower == lower_; }

  void configure(int64_t upper, int64_t lower, int64_t depth) {
    upper_ = upper;
    lower_ = lower;
    AmxTiles tiles;
    const auto set = [&](int tile, int64_t rows, int64_t row_bytes) {
      tiles.rows[tile] = static_cast<uint8_t>(rows);
      tiles.row_bytes[tile] = static_cast<uint16_t>(rows != 0 ? row_bytes : 0);
    };
    set(0, upper, kUnitBytes);
    set(1, upper, kUnitBytes);
    set(2, lower, kUnitBytes);
    set(3, lower, kUnitBytes);
    set(4, upper, depth * 4);
    set(5, lower, depth * 4);
    set(6, depth, kUnitBytes);
    set(7, depth, kUnitBytes);
    load_shapes(tiles);
  }

 private:
  int64_t upper_ = 0, lower_ = 0;
};

}  // namespace
}  // namespace halftone::cpu
