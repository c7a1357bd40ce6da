#pragma once

// Many rows of activations by tiles of AMX, for gemm_int_amx.cpp only (gemm_int_loops.h says why all
// of it is in an unnamed namespace).
//
// A block is 32 rows by two panels: four tiles of sums. While the sums of some segments are finished the
// tiles multiply the next.

#include "backend/cpu/gemm/int_amx_registers.h"
#include "backend/cpu/gemm/int_amx_sums.h"
#include "backend/cpu/gemm/int_amx_weights.h"

namespace halftone::cpu {
namespace {

template <Codes kCodes, Mode kMode>
class Blocks : BlockSizes {
 public:
  /// `scratch`: BlockSizes::scratch_bytes().
  Blocks(const IntPanelsView& weights, const TileForm& form, const IntRows& rows, const IntOutput& out,
         int64_t first_panel, int64_t panel_count, std::byte* scratch)
      : BlockSizes(form, rows.rows),
        weights_(weights),
        form_(form),
        rows_(rows),
        panel_count_(panel_count),
        pieces_(scratch + sums_bytes),
        part_tiles_(scratch + 2 * sums_bytes),
        sums_(*this, weights, rows, out, first_panel, panel_count, scratch) {}

  void run() {
    // The products of a turn are finished during the next.
    Turn before{};
    Part part{0, 0, 0, 0, 0, true};
    for (int64_t tiles = form_.tiles; tiles > 0; tiles -= part.tiles) {
      part = part_after(weights_, form_, part, part_tiles);
      for (int64_t panel = 0; panel < panel_count_; panel += 2) {
        for (int64_t i = 0; i < 2; ++i)
          tiles_[i] = tiles_of_part<kCodes>(weights_, form_, part, sums_.packed_panel(panel + i),
                                            part_tiles_ + i * part_bytes);
        finish_stores();
        segments_ = sums_.look_up(form_, part, panel);
        fetch_from(part, panel + 2);
        for (int64_t m = 0; m < rows_.rows; m += kBlockRows) before = run_block(part, panel, m, before);
      }
    }
    store_pending();
    for (int tile = 0; tile < kTiles; ++tile) sums_.finish_tile(before, tile);
    _tile_release();
  }

 private:
  using Sums = TileSums<kCodes, kMode>;
  using Turn = typename Sums::Turn;
  static constexpr int64_t kTurn = Sums::kTurn;

  void configure(int64_t row_count) {
    const int64_t upper = row_count < kTileRows ? row_count : kTileRows, rest = row_count - upper;
    const int64_t lower = rest < kTileRows ? rest : kTileRows;
    if (registers_.have(upper, lower)) return;
    store_pending();
    registers_.configure(upper, lower, form_.rows);
  }

  /// Which codes are fetched into the second-level cache while the blocks of two panels are multiplied: those
  /// of the next two, or of the first two in the next part.
  void fetch_from(const Part& part, int64_t panel) {
    const bool wraps = panel >= panel_count_;
    const Part next = wraps ? part_after(weights_, form_, part, part_tiles) : part;
    fetch_lines_ = 0;
    if (next.count == 0) return;
    for (int64_t i = 0; i < 2; ++i) {
      const PackedPart codes(weights_, form_, next, sums_.packed_panel((wraps ? 0 : panel) + i));
      fetch_[i] = codes.begin;
      const int64_t blocks = blocks_of(rows_.rows);
      fetch_lines_ = (codes.bytes / kUnitBytes + blocks - 1) / blocks;
    }
  }
  void fetch_some() {
    for (int64_t i = 0; i < fetch_lines_; ++i)
      for (const std::byte*& at : fetch_) __builtin_prefetch((at += kUnitBytes) - kUnitBytes, 0, 2);
  }

  /// A part of the columns of one block; returns the turn that is left to finish.
  Turn run_block(const Part& part, int64_t panel, int64_t m, Turn before) {
    configure(rows_.rows - m);
    fetch_some();
    upper_at_ = rows_.other + m * rows_.other_bytes + part.tile * form_.tile_bytes();
    lower_at_ = upper_at_ + kTileRows * rows_.other_bytes;
    at_ = 0;
    for (int64_t i = 0; i < part.count; i += kTurn) {
      const int64_t left = part.count - i;
      const Turn turn{m, panel, part.first + i, left < kTurn ? left : kTurn, !before.odd, segments_ + i};
      if (rows_.rows - m > kTileRows)
        multiply<true>(part, turn, before);
      else
        multiply<false>(part, turn, before);
      before = turn;
    }
    if (!part.ends_segment) before.count = 0;
    return before;
  }

  /// The tiles of sums that wait to be stored, and where: a tile is stored when its register is wanted, for
  /// until then its last products take their time.
  struct Pending {
    std::byte* to = nullptr;
    int64_t step = 0;  ///< from tile to tile
    bool lower = false;
  };
  void store_pending() {
    if (!pending_.to) return;
    store_sums<0>(pending_.to);
    store_sums<1>(pending_.to + pending_.step);
    if (pending_.lower) {
      store_sums<2>(pending_.to + 2 * pending_.step);
      store_sums<3>(pending_.to + 3 * pending_.step);
    }
    pending_.to = nullptr;
  }
  /// Stores a tile of the segment before, and begins with `sums` or 0.
  template <int kTile>
  void begin_tile(const std::byte* sums) {
    if (pending_.to) store_sums<kTile>(pending_.to + kTile * pending_.step);
    sums ? load_sums<kTile>(sums + kTile * kTileBytes) : zero_tile<kTile>();
  }

  /// Four products of tiles. `between` runs amidst them.
  template <bool kLower, bool kFirst, class Between>
  void step(int64_t at, const std::byte* sums, Between between) {
    const int64_t width = form_.row_bytes();
    // The activations pass through the first-level cache, the weights stay there.
    _tile_stream_loadd(4, upper_at_ + at, width);
    _tile_loadd(6, tiles_[0] + at, kUnitBytes);
    if constexpr (kFirst) begin_tile<0>(sums);
    add_products<kCodes, 0>();
    _tile_loadd(7, tiles_[1] + at, kUnitBytes);
    if constexpr (kFirst) begin_tile<1>(sums);
    add_products<kCodes, 1>();
    between();
    if constexpr (kLower) {
      _tile_stream_loadd(5, lower_at_ + at, width);
      if constexpr (kFirst) begin_tile<2>(sums);
      add_products<kCodes, 2>();
      if constexpr (kFirst) begin_tile<3>(sums);
      add_products<kCodes, 3>();
    }
  }

  /// The products of a turn, and the end of the one before.
  template <bool kLower>
  void multiply(const Part& part, const Turn& turn, const Turn& before) {
    std::byte* piece = pieces_ + sums_.block_at(turn.m, turn.panel);
    const int64_t next = form_.tile_bytes();
    int64_t steps = 0, at = at_;
    for (int64_t i = 0; i < turn.count; ++i) steps += turn.segments[i].tiles;
    // Processors look only so far ahead: what is to be finished is spread evenly among products.
    int finished = 0;
    int64_t due = kTiles / 2;
    const auto finish_next = [&] {
      due += kTiles / 2;
      if (due < steps || finished == kTiles) return;
      due -= steps;
      sums_.finish_tile(before, finished++);
    };
    for (int64_t i = 0; i < turn.count; ++i) {
      step<kLower, true>(at, part.inside > 0 ? piece : nullptr, finish_next);
      at += next;
      for (int64_t t = 1; t < turn.segments[i].tiles; ++t, at += next)
        step<kLower, false>(at, nullptr, finish_next);
      for (; finished <= i; ++finished) sums_.finish_tile(before, finished);
      if (part.ends_segment)
        pending_ = {sums_.stored(turn, 0, i), sums_.stored(turn, 1, i) - sums_.stored(turn, 0, i), kLower};
      else
        pending_ = {piece, kTileBytes, kLower};
    }
    for (; finished < kTiles; ++finished) sums_.finish_tile(before, finished);
    at_ = at;
  }

  const IntPanelsView& weights_;
  const TileForm& form_;
  const IntRows& rows_;
  int64_t panel_count_;
  std::byte* pieces_;  ///< sums of a segment that goes on in the next part
  std::byte* part_tiles_;
  const std::byte* tiles_[2];  ///< of the panels of a block
  const std::byte* upper_at_;  ///< tiles of activations
  const std::byte* lower_at_;
  const std::byte* fetch_[2];
  int64_t fetch_lines_ = 0;  ///< a block, of each of the two
  int64_t at_ = 0;           ///< bytes of tiles that were multiplied
  TileRegisters registers_;
  Pending pending_;
  const typename Sums::Segment* segments_ = nullptr;
  Sums sums_;
};

}  // namespace
}  // namespace halftone::cpu
