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
template <Words kWords, int kTile>
void add_products() {
  if constexpr (kWords == Words::codes) {
    HALFTONE_ADD_PRODUCTS(_tile_dpbssd)
  } else if constexpr (kWords == Words::raw) {
    HALFTONE_ADD_PRODUCTS(_tile_dpbsud)
  } else {
    HALFTONE_ADD_PRODUCTS(_tile_dpbf16ps)
  }
}
#undef HALFTONE_ADD_PRODUCTS

/// What many_rows() multiplies in one call, and how it cuts that up for the caches. A part of the columns
/// goes by all panels and all rows before the next: its activations stay in the second-level cache, its tiles
/// of two panels in the first.
struct BlockSizes {
  static constexpr int64_t kPanels = 16, kRows = 512;
  static constexpr int64_t kPartTiles = 16, kShortPartTiles = 8;
  static constexpr int64_t kTileBytes = 1024, kTileRows = 16, kBlockRows = 2 * kTileRows;
  static constexpr int kTiles = 4;  ///< of sums: two panels of the upper rows, two of the lower

  int64_t part_tiles;  ///< of a part, at most: less where many sums are stored
  int64_t part_bytes;  ///< of one panel's tiles
  int64_t sums_bytes;  ///< of the sums of all blocks

  BlockSizes(const TileForm& form, int64_t row_count) {
    const int64_t most = form.longest_tiles < kPartTiles ? kShortPartTiles : kPartTiles;
    part_tiles = form.tiles < most ? form.tiles : most;
    part_bytes = form.in_place ? 0 : part_tiles * form.tile_bytes();
    const int64_t blocks = (row_count + kBlockRows - 1) / kBlockRows * (kPanels / 2);
    sums_bytes = blocks * kTiles * kTileBytes;
  }
  int64_t scratch_bytes() const { return 2 * part_bytes + 2 * sums_bytes; }
};

template <Words kWords, Mode kMode>
class Blocks : BlockSizes {
 public:
  /// `scratch`: BlockSizes::scratch_bytes().
  Blocks(const IntPanelsView& weights, const TileForm& form, const IntRows& rows, const IntOutput& out,
         int64_t first_panel, int64_t panel_count, std::byte* scratch)
      : BlockSizes(form, rows.rows),
        weights_(weights),
        form_(form),
        rows_(rows),
        out_(out),
        first_panel_(first_panel),
        panel_count_(panel_count),
        sums_(scratch),
        pieces_(scratch + sums_bytes),
        part_tiles_(scratch + 2 * sums_bytes),
        streams_(rows.rows * weights.n * 4 >= kStreamedBytes && weights.n % kPanelRows == 0 &&
                 reinterpret_cast<uintptr_t>(out.y) % kUnitBytes == 0) {}

  void run() {
    // Whole tiles are finished, their rows without a token too: those must not be slow numbers.
    if (rows_.rows % kTileRows != 0) __builtin_memset(stored_, 0, sizeof(stored_));
    // The products of a turn are finished during the next.
    Turn before{};
    Part part{0, 0, 0, 0, 0, true};
    for (int64_t tiles = form_.tiles; tiles > 0; tiles -= part.tiles) {
      part = part_after(weights_, form_, part, part_tiles);
      for (int64_t panel = 0; panel < panel_count_; panel += 2) {
        for (int64_t i = 0; i < 2; ++i)
          tiles_[i] = tiles_of_part<kWords>(weights_, form_, part, packed_panel(panel + i),
                                            part_tiles_ + i * part_bytes);
        asm volatile("" ::: "memory");  // g++ takes tile loads for instructions that read no memory
        segments_ = segments_ == tables_[0] ? tables_[1] : tables_[0];
        look_up(part, panel);
        fetch_from(part, panel + 2);
        for (int64_t m = 0; m < rows_.rows; m += kBlockRows) before = run_block(part, panel, m, before);
      }
    }
    store_pending();
    for (int tile = 0; tile < kTiles; ++tile) finish_tile(before, tile);
    _tile_release();
    if (streams_) _mm_sfence();
  }

 private:
  using V = std::conditional_t<kWords == Words::bfloats, FloatSums, IntSums>;
  static constexpr int64_t kTurn = 4;  ///< segments
  static_assert(kTurn == kTiles);      // stored() exchanges them

  struct Segment;
  struct Turn {
    int64_t m, panel;      ///< the first of each
    int64_t first, count;  ///< segments; 0: nothing to finish
    bool odd;
    std::byte* sums;  ///< of the segments before
    const Segment* segments;
  };
  /// A segment of a part, for two panels.
  struct Segment {
    int64_t tiles;
    const int32_t* row_sums;
    int64_t a_group;
    Start<IntSums, kMode> start[2];
    Finish<V, kMode> add[2];
  };

  /// The last stands in for one behind it.
  const std::byte* packed_panel(int64_t i) const {
    return weights_.data + (first_panel_ + (i < panel_count_ ? i : panel_count_ - 1)) * weights_.panel_bytes;
  }
  /// Where a block has its tiles among the sums of all.
  int64_t block_at(int64_t m, int64_t panel) const {
    const int64_t blocks = (rows_.rows + kBlockRows - 1) / kBlockRows;
    return (panel / 2 * blocks + m / kBlockRows) * kTiles * kTileBytes;
  }

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
    store_pending();
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

  /// Which codes are fetched into the second-level cache while the blocks of two panels are multiplied: those
  /// of the next two, or of the first two in the next part.
  void fetch_from(const Part& part, int64_t panel) {
    const bool wraps = panel >= panel_count_;
    const Part next = wraps ? part_after(weights_, form_, part, part_tiles) : part;
    fetch_lines_ = 0;
    if (next.count == 0) return;
    for (int64_t i = 0; i < 2; ++i) {
      const PackedPart codes(weights_, form_, next, packed_panel((wraps ? 0 : panel) + i));
      fetch_[i] = codes.begin;
      const int64_t blocks = (rows_.rows + kBlockRows - 1) / kBlockRows;
      fetch_lines_ = (codes.bytes / kUnitBytes + blocks - 1) / blocks;
    }
  }
  void fetch_some() {
    for (int64_t i = 0; i < fetch_lines_; ++i)
      for (const std::byte*& at : fetch_) {
        __builtin_prefetch(at, 0, 2);
        at += kUnitBytes;
      }
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
      const Turn turn{m,
                      panel,
                      part.first + i,
                      left < kTurn ? left : kTurn,
                      !before.odd,
                      sums_ + block_at(m, panel),
                      segments_ + i};
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
    add_products<kWords, 0>();
    _tile_loadd(7, tiles_[1] + at, kUnitBytes);
    if constexpr (kFirst) begin_tile<1>(sums);
    add_products<kWords, 1>();
    between();
    if constexpr (kLower) {
      _tile_stream_loadd(5, lower_at_ + at, width);
      if constexpr (kFirst) begin_tile<2>(sums);
      add_products<kWords, 2>();
      if constexpr (kFirst) begin_tile<3>(sums);
      add_products<kWords, 3>();
    }
  }

  void look_up(const Part& part, int64_t first_panel) {
    for (int64_t i = 0; i < part.count; ++i) {
      const int64_t s = part.first + i;
      const int64_t left = form_.tiles_of(weights_, weights_.segments[s]) - part.inside;
      Segment& segment = segments_[i];
      segment.tiles = left < part.tiles ? left : part.tiles;
      segment.row_sums = rows_.sums + s * rows_.sums_step;
      segment.a_group = weights_.segments[s].a_group;
      for (int64_t p = 0; p < 2; ++p) {
        const std::byte* panel = packed_panel(first_panel + p);
        if constexpr (kWords == Words::raw)
          segment.start[p] = Start<IntSums, kMode>(weights_, panel, weights_.segments[s]);
        segment.add[p] = Finish<V, kMode>(weights_, panel, weights_.segments[s]);
      }
    }
  }

  /// The products of a turn, and the end of the one before.
  template <bool kLower>
  void multiply(const Part& part, const Turn& turn, const Turn& before) {
    std::byte* piece = pieces_ + block_at(turn.m, turn.panel);
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
      finish_tile(before, finished++);
    };
    for (int64_t i = 0; i < turn.count; ++i) {
      step<kLower, true>(at, part.inside > 0 ? piece : nullptr, finish_next);
      at += next;
      for (int64_t t = 1; t < turn.segments[i].tiles; ++t, at += next)
        step<kLower, false>(at, nullptr, finish_next);
      for (; finished <= i; ++finished) finish_tile(before, finished);
      if (part.ends_segment)
        pending_ = {stored(turn, 0, i), stored(turn, 1, i) - stored(turn, 0, i), kLower};
      else
        pending_ = {piece, kTileBytes, kLower};
    }
    for (; finished < kTiles; ++finished) finish_tile(before, finished);
    at_ = at;
  }

  /// Adds the stored sums of one tile of a turn to those before, and writes Y after the last.
  [[gnu::noinline]] void finish_tile(const Turn& turn, int tile) {
    const int64_t m = turn.m + (tile / 2) * kTileRows, left = rows_.rows - m;
    const int64_t index = turn.panel + tile % 2;
    if (turn.count == 0 || left <= 0 || index >= panel_count_) return;
    const int64_t count = left < kTileRows ? left : kTileRows;

    auto* sums = reinterpret_cast<float(*)[kPanelRows]>(turn.sums + tile * kTileBytes);
    __m512 sum[kTileRows];
#pragma GCC unroll 16
    for (int r = 0; r < kTileRows; ++r)
      sum[r] = turn.first == 0 ? _mm512_setzero_ps() : _mm512_load_ps(sums[r]);
    const std::byte* from = stored(turn, tile, 0);
    const int64_t next = stored(turn, tile, 1) - from;
    for (int64_t i = 0; i < turn.count; ++i, from += next) {
      const Segment& segment = turn.segments[i];
      const Start<IntSums, kMode> start = segment.start[tile % 2];
      const Finish<V, kMode> add = segment.add[tile % 2];
      const int32_t* row_sums = segment.row_sums + m;
      const float* row_scales =
          has_group_scales<kMode>(rows_) ? rows_.scales + m * rows_.groups + segment.a_group : nullptr;
#pragma GCC unroll 16
      for (int64_t r = 0; r < kTileRows; ++r) {
        const int64_t row = r < count ? r : count - 1;
        typename V::Int products = V::load(from + r * kUnitBytes);
        if constexpr (kWords == Words::raw) products = V::add(products, start(row_sums[row]));
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

  const IntPanelsView& weights_;
  const TileForm& form_;
  const IntRows& rows_;
  const IntOutput& out_;
  int64_t first_panel_, panel_count_;
  std::byte* sums_;    ///< f32, of the segments that are finished
  std::byte* pieces_;  ///< those of a segment that is not
  std::byte* part_tiles_;
  bool streams_;               ///< Y goes past the caches
  const std::byte* tiles_[2];  ///< of the panels of a block
  const std::byte* upper_at_;  ///< tiles of activations
  const std::byte* lower_at_;
  const std::byte* fetch_[2];
  int64_t fetch_lines_ = 0;        ///< a block, of each of the two
  int64_t at_ = 0;                 ///< bytes of tiles that were multiplied
  uint8_t upper_ = 0, lower_ = 0;  ///< rows of the tiles as configured
  Pending pending_;
  Segment tables_[2][kPartTiles];
  Segment* segments_ = tables_[0];
  alignas(64) std::byte stored_[kTiles * kTurn * kTileBytes];
};

}  // namespace
}  // namespace halftone::cpu
