#pragma once

// Many rows of activations by tiles of AMX, for gemm_int_amx.cpp only (gemm_int_loops.h says why all of it is
// in an unnamed namespace).
//
// A block is 32 rows by two panels: four tiles of sums. Tiles can only be stored, so the sums of a segment go
// through memory to the vectors that scale them; meanwhile the tiles multiply the next segments.

#include <type_traits>

#include "backend/cpu/gemm/int_amx_tiles.h"
#include "backend/cpu/gemm/int_segment.h"
#include "base/amx_tiles.h"

namespace halftone::cpu {
namespace {

/// Sums of a tile that are f32 already.
struct FloatSums : Avx512Vnni {
  using Int = __m512;
  static Float to_float(Int x) { return x; }
  static Int load(const std::byte* from) { return _mm512_load_ps(from); }
};
struct IntSums : Avx512Vnni {
  static Int load(const std::byte* from) { return _mm512_load_si512(from); }
};

#define HALFTONE_UPPER_SUMS(dot) \
  dot(0, 4, 6);                  \
  dot(1, 4, 7);
#define HALFTONE_LOWER_SUMS(dot) \
  dot(2, 5, 6);                  \
  dot(3, 5, 7);

template <Words kWords>
void add_upper_products() {
  if constexpr (kWords == Words::codes) {
    HALFTONE_UPPER_SUMS(_tile_dpbssd)
  } else if constexpr (kWords == Words::raw) {
    HALFTONE_UPPER_SUMS(_tile_dpbsud)
  } else {
    HALFTONE_UPPER_SUMS(_tile_dpbf16ps)
  }
}
template <Words kWords>
void add_lower_products() {
  if constexpr (kWords == Words::codes) {
    HALFTONE_LOWER_SUMS(_tile_dpbssd)
  } else if constexpr (kWords == Words::raw) {
    HALFTONE_LOWER_SUMS(_tile_dpbsud)
  } else {
    HALFTONE_LOWER_SUMS(_tile_dpbf16ps)
  }
}
#undef HALFTONE_UPPER_SUMS
#undef HALFTONE_LOWER_SUMS

template <Words kWords, Mode kMode>
class Blocks {
 public:
  Blocks(const IntPanelsView& weights, const TileForm& form, const IntRows& rows, const IntOutput& out,
         int64_t first_panel, int64_t panel_count, const std::byte* const (&tiles)[2])
      : weights_(weights),
        form_(form),
        rows_(rows),
        out_(out),
        first_panel_(first_panel),
        panel_count_(panel_count),
        tiles_{tiles[0], tiles[1]} {}

  void run() {
    // The products of a turn are finished during the next.
    Turn before{};
    for (int64_t m = 0; m < rows_.rows; m += kBlockRows) {
      configure(rows_.rows - m);
      at_ = 0;
      for (int64_t s = 0; s < weights_.segment_count; s += kTurn) {
        const int64_t left = weights_.segment_count - s;
        const Turn turn{m, s, left < kTurn ? left : kTurn, !before.odd};
        if (rows_.rows - m > kTileRows)
          multiply<true>(turn, before);
        else
          multiply<false>(turn, before);
        before = turn;
      }
    }
    for (int tile = 0; tile < kTiles; ++tile) finish_tile(before, tile);
    _tile_release();
  }

 private:
  using V = std::conditional_t<kWords == Words::bfloats, FloatSums, IntSums>;
  static constexpr int64_t kTileRows = 16, kBlockRows = 2 * kTileRows, kTileBytes = 1024;
  static constexpr int kTiles = 4;     ///< of sums: two panels of the upper rows, two of the lower
  static constexpr int64_t kTurn = 4;  ///< segments
  static_assert(kTurn == kTiles);      // stored() exchanges them

  struct Turn {
    int64_t m;             ///< first row
    int64_t first, count;  ///< segments; 0: none
    bool odd;
  };

  /// Where the sums of a segment of a turn are stored. Every other turn exchanges tiles and segments, so that
  /// the places of a segment are those of the tile that was finished last.
  std::byte* stored(const Turn& turn, int64_t tile, int64_t segment) {
    return stored_ + (turn.odd ? segment * kTiles + tile : tile * kTurn + segment) * kTileBytes;
  }

  void configure(int64_t row_count) {
    const auto upper = static_cast<uint8_t>(row_count < kTileRows ? row_count : kTileRows);
    const int64_t rest = row_count - upper;
    const auto lower = static_cast<uint8_t>(rest < kTileRows ? rest : kTileRows);
    if (upper == upper_ && lower == lower_) return;
    upper_ = upper;
    lower_ = lower;
    AmxTiles tiles;
    auto set = [&](int tile, uint8_t tile_rows, int64_t row_bytes) {
      tiles.rows[tile] = tile_rows;
      tiles.row_bytes[tile] = tile_rows ? static_cast<uint16_t>(row_bytes) : 0;
    };
    set(0, upper, kUnitBytes);
    set(1, upper, kUnitBytes);
    set(2, lower, kUnitBytes);
    set(3, lower, kUnitBytes);
    set(4, upper, form_.row_bytes());
    set(5, lower, form_.row_bytes());
    set(6, static_cast<uint8_t>(form_.rows), kUnitBytes);
    set(7, static_cast<uint8_t>(form_.rows), kUnitBytes);
    asm volatile("" ::"r"(&tiles) : "memory");  // g++ takes it for a load of eight bytes
    _tile_loadconfig(&tiles);
  }

  /// The products of a turn, and the end of the one before.
  template <bool kLower>
  void multiply(const Turn& turn, const Turn& before) {
    const int64_t width = form_.row_bytes(), step = form_.tile_bytes();
    const std::byte* upper = rows_.other + turn.m * rows_.other_bytes;
    const std::byte* lower = upper + kTileRows * rows_.other_bytes;
    int64_t steps = 0, done = 0;
    for (int64_t i = 0; i < turn.count; ++i)
      steps += form_.tiles_of(weights_, weights_.segments[turn.first + i]);
    int finished = 0;
    for (int64_t i = 0; i < turn.count; ++i) {
      const IntSegment& segment = weights_.segments[turn.first + i];
      _tile_zero(0);
      _tile_zero(1);
      if constexpr (kLower) {
        _tile_zero(2);
        _tile_zero(3);
      }
      for (int64_t tiles = form_.tiles_of(weights_, segment); tiles > 0; --tiles) {
        _tile_loadd(4, upper + at_, width);
        _tile_loadd(6, tiles_[0] + at_, kUnitBytes);
        _tile_loadd(7, tiles_[1] + at_, kUnitBytes);
        add_upper_products<kWords>();
        if constexpr (kLower) {
          _tile_loadd(5, lower + at_, width);
          add_lower_products<kWords>();
        }
        at_ += step;
        if (++done * kTiles >= (finished + 1) * steps) finish_tile(before, finished++);
      }
      for (; finished <= i; ++finished) finish_tile(before, finished);
      _tile_stored(0, stored(turn, 0, i), kUnitBytes);
      _tile_stored(1, stored(turn, 1, i), kUnitBytes);
      if constexpr (kLower) {
        _tile_stored(2, stored(turn, 2, i), kUnitBytes);
        _tile_stored(3, stored(turn, 3, i), kUnitBytes);
      }
    }
    for (; finished < kTiles; ++finished) finish_tile(before, finished);
  }

  /// Adds the stored sums of a turn to those before, and writes Y after the last.
  [[gnu::noinline]] void finish_tile(const Turn& turn, int tile) {
    const int64_t m = turn.m + tile / 2 * kTileRows, left = rows_.rows - m;
    if (turn.count == 0 || left <= 0 || tile % 2 >= panel_count_) return;
    const int64_t last = left < kTileRows ? left - 1 : kTileRows - 1;
    const int64_t index = first_panel_ + tile % 2;
    const std::byte* panel = weights_.data + index * weights_.panel_bytes;

    float(*sums)[kPanelRows] = sums_[tile];
    __m512 sum[kTileRows];
#pragma GCC unroll 16
    for (int r = 0; r < kTileRows; ++r)
      sum[r] = turn.first == 0 ? _mm512_setzero_ps() : _mm512_load_ps(sums[r]);
    for (int64_t i = 0; i < turn.count; ++i) {
      const IntSegment& segment = weights_.segments[turn.first + i];
      const int32_t* row_sums = rows_.sums + (turn.first + i) * rows_.sums_step + m;
      const float* row_scales =
          has_group_scales<kMode>(rows_) ? rows_.scales + m * rows_.groups + segment.a_group : nullptr;
      const Finish<V, kMode> add(weights_, panel, segment);
      const std::byte* from = stored(turn, tile, i);
#pragma GCC unroll 16
      for (int64_t r = 0; r < kTileRows; ++r) {
        const int64_t row = r < last ? r : last;
        typename V::Int products = V::load(from + r * kUnitBytes);
        if constexpr (kWords == Words::raw)
          products = V::add(products, Start<V, kMode>(weights_, panel, segment)(row_sums[row]));
        sum[r] = add(sum[r], products, row_scales ? row_scales + row * rows_.groups : nullptr,
                     kMode == Mode::minimum || kMode == Mode::any ? row_sums[row] : 0);
      }
    }
    const bool ends = turn.first + turn.count == weights_.segment_count;
#pragma GCC unroll 16
    for (int r = 0; r < kTileRows; ++r) _mm512_store_ps(sums[r], sum[r]);
    if (ends) finish(sums[0], kPanelRows, rows_, out_, m, last + 1, index * kPanelRows, weights_.n);
  }

  const IntPanelsView& weights_;
  const TileForm& form_;
  const IntRows& rows_;
  const IntOutput& out_;
  int64_t first_panel_, panel_count_;
  const std::byte* tiles_[2];
  int64_t at_ = 0;                 ///< bytes of tiles that were multiplied
  uint8_t upper_ = 0, lower_ = 0;  ///< rows of the tiles as configured
  alignas(64) std::byte stored_[kTiles * kTurn * kTileBytes];
  alignas(64) float sums_[kTiles][kTileRows][kPanelRows];
};

}  // namespace
}  // namespace halftone::cpu
