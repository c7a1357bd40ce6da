#pragma once

// Sums of AMX tiles -> Y, for gemm_int_amx.cpp only (gemm_int_loops.h says why all
// of it is in an unnamed namespace).
//
// Tiles can only be stored, so the sums of a segment go through memory to the vectors that scale them.

#include "backend/cpu/gemm/int_amx_tiles.h"
#include "backend/cpu/gemm/int_avx512_vectors.h"
#include "backend/cpu/gemm/int_segment.h"

namespace halftone::cpu {
namespace {

/// What many_rows() multiplies in one call, and how it cuts that up for the caches. A part of the columns
/// goes by all panels and all rows before the next: its activations stay in the second-level cache, its tiles
/// of two panels in the first.
struct BlockSizes {
  static constexpr int64_t kPanels = 16, kRows = 512;
  static constexpr int64_t kPartTiles = 16, kShortPartBytes = 8192;
  static constexpr int64_t kTileBytes = 1024, kTileRows = 16, kBlockRows = 2 * kTileRows;
  static constexpr int kTiles = 4;  ///< of sums: two panels of the upper rows, two of the lower

  int64_t part_tiles;  ///< of a part, at most: less where many sums are stored
  int64_t part_bytes;  ///< of one panel's tiles
  int64_t sums_bytes;  ///< of the sums of all blocks

  BlockSizes(const TileForm& form, int64_t row_count) {
    const int64_t short_part = kShortPartBytes / form.tile_bytes();
    const int64_t most = form.longest_tiles < kPartTiles && short_part < kPartTiles ? short_part : kPartTiles;
    part_tiles = form.tiles < most ? form.tiles : most;
    part_bytes = form.in_place ? 0 : part_tiles * form.tile_bytes();
    sums_bytes = blocks_of(row_count) * (kPanels / 2) * kTiles * kTileBytes;
  }
  static int64_t blocks_of(int64_t row_count) { return (row_count + kBlockRows - 1) / kBlockRows; }
  int64_t scratch_bytes() const { return 2 * part_bytes + 2 * sums_bytes; }
};

/// The way of sums from the tiles to Y.
template <Codes kCodes, Mode kMode>
class TileSums : BlockSizes {
 public:
  using V = Avx512Vnni;
  static constexpr int64_t kTurn = 4;  ///< segments
  static_assert(kTurn == kTiles);      // stored() exchanges them

  /// A segment of a part, for two panels.
  struct Segment {
    int64_t tiles;
    const int32_t* row_sums;
    int64_t a_group;
    Start<V, kMode> start[2];
    Finish<V, kMode> add[2];
  };

  /// Some segments of a block, whose products are finished together.
  struct Turn {
    int64_t m, panel;      ///< the first of each
    int64_t first, count;  ///< segments; 0: nothing to finish
    bool odd;
    const Segment* segments;
  };
  /// `sums`: BlockSizes::sums_bytes.
  TileSums(const BlockSizes& sizes, const IntPanelsView& weights, const IntRows& rows, const IntOutput& out,
           int64_t first_panel, int64_t panel_count, std::byte* sums)
      : BlockSizes(sizes),
        weights_(weights),
        rows_(rows),
        out_(out),
        first_panel_(first_panel),
        panel_count_(panel_count),
        sums_(sums),
        streams_(rows.rows * weights.n * 4 >= kStreamedBytes && weights.n % kPanelRows == 0 &&
                 reinterpret_cast<uintptr_t>(out.y) % kUnitBytes == 0) {}
  ~TileSums() {
    if (streams_) _mm_sfence();
  }

  /// The last stands in for one behind it.
  const std::byte* packed_panel(int64_t i) const {
    return weights_.data + (first_panel_ + (i < panel_count_ ? i : panel_count_ - 1)) * weights_.panel_bytes;
  }
  /// Where a block has its tiles among those of all.
  int64_t block_at(int64_t m, int64_t panel) const {
    return (panel / 2 * blocks_of(rows_.rows) + m / kBlockRows) * kTiles * kTileBytes;
  }

  /// Where the sums of a segment of a turn are stored. Every other turn exchanges tiles and segments, so that
  /// the places of a segment are those of the tile that was finished last.
  std::byte* stored(const Turn& turn, int64_t tile, int64_t segment) {
    return stored_ + (turn.odd ? segment * kTiles + tile : tile * kTurn + segment) * kTileBytes;
  }

  /// The segments of a part for the panels from `first_panel` on; they last until the next but one is asked
  /// for.
  const Segment* look_up(const TileForm& form, const Part& part, int64_t first_panel) {
    newest_ = !newest_;
    Segment* const segments = tables_[newest_];
    for (int64_t i = 0; i < part.count; ++i) {
      const int64_t s = part.first + i;
      const int64_t left = form.tiles_of(weights_, weights_.segments[s]) - part.inside;
      Segment& segment = segments[i];
      segment.tiles = left < part.tiles ? left : part.tiles;
      segment.row_sums = rows_.sums + s * rows_.sums_step;
      segment.a_group = weights_.segments[s].a_group;
      for (int64_t p = 0; p < 2; ++p) {
        const std::byte* panel = packed_panel(first_panel + p);
        if constexpr (kCodes == Codes::raw)
          segment.start[p] = Start<V, kMode>(weights_, panel, weights_.segments[s]);
        segment.add[p] = Finish<V, kMode>(weights_, panel, weights_.segments[s]);
      }
    }
    return segments;
  }

  /// Adds the stored sums of one tile of a turn to those before, and writes Y after the last.
  [[gnu::noinline]] void finish_tile(const Turn& turn, int tile) {
    const int64_t m = turn.m + (tile / 2) * kTileRows, left = rows_.rows - m;
    const int64_t index = turn.panel + tile % 2;
    if (turn.count == 0 || left <= 0 || index >= panel_count_) return;
    const int64_t count = left < kTileRows ? left : kTileRows;

    auto* sums =
        reinterpret_cast<float(*)[kPanelRows]>(sums_ + block_at(turn.m, turn.panel) + tile * kTileBytes);
    __m512 sum[kTileRows];
#pragma GCC unroll 16
    for (int r = 0; r < kTileRows; ++r)
      sum[r] = turn.first == 0 ? _mm512_setzero_ps() : _mm512_load_ps(sums[r]);
    const std::byte* from = stored(turn, tile, 0);
    const int64_t next = stored(turn, tile, 1) - from;
    for (int64_t i = 0; i < turn.count; ++i, from += next) {
      const Segment& segment = turn.segments[i];
      const Start<V, kMode> start = segment.start[tile % 2];
      const Finish<V, kMode> add = segment.add[tile % 2];
      const int32_t* row_sums = segment.row_sums + m;
      const float* row_scales =
          has_group_scales<kMode>(rows_) ? rows_.scales + m * rows_.groups + segment.a_group : nullptr;
#pragma GCC unroll 16
      for (int64_t r = 0; r < kTileRows; ++r) {
        const int64_t row = r < count ? r : count - 1;
        V::Int products = _mm512_load_si512(from + r * kUnitBytes);
        if constexpr (kCodes == Codes::raw) products = V::add(products, start(row_sums[row]));
        sum[r] = add(sum[r], products, row_scales ? row_scales + row * rows_.groups : nullptr,
                     kMode == Mode::minimum || kMode == Mode::any ? row_sums[row] : 0);
      }
    }
    if (turn.first + turn.count < weights_.segment_count) {
#pragma GCC unroll 16
      for (int r = 0; r < kTileRows; ++r) _mm512_store_ps(sums[r], sum[r]);
      return;
    }
    const int64_t n = (first_panel_ + index) * kPanelRows;
    if (count == kTileRows && n + kPanelRows <= weights_.n && !out_.c && out_.alpha == 1) {
      float* y = out_.y + m * weights_.n + n;
#pragma GCC unroll 16
      for (int r = 0; r < kTileRows; ++r)
        if (rows_.groups == 1) sum[r] = V::multiply(sum[r], V::broadcast(rows_.scales[m + r]));
#pragma GCC unroll 16
      for (int r = 0; r < kTileRows; ++r)
        streams_ ? _mm512_stream_ps(y + r * weights_.n, sum[r])
                 : _mm512_storeu_ps(y + r * weights_.n, sum[r]);
      return;
    }
    alignas(64) float products[kTileRows][kPanelRows];
#pragma GCC unroll 16
    for (int r = 0; r < kTileRows; ++r) _mm512_store_ps(products[r], sum[r]);
    finish(products[0], kPanelRows, rows_, out_, m, count, n, weights_.n);
  }

 private:
  const IntPanelsView& weights_;
  const IntRows& rows_;
  const IntOutput& out_;
  int64_t first_panel_, panel_count_;
  std::byte* sums_;  ///< f32, of the segments that are finished
  bool streams_;     ///< Y goes past the caches
  bool newest_ = false;
  Segment tables_[2][kPartTiles];
  alignas(64) std::byte stored_[kTiles * kTurn * kTileBytes];
};

}  // namespace
}  // namespace halftone::cpu
