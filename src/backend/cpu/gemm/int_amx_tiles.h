#pragma once

// How columns lie in tiles of AMX, for gemm_int_amx.cpp only (gemm_int_loops.h says why all
// of it is in an unnamed namespace).
//
// A tile of weights is [rows, 16 outputs] quads of codes, one of activations [16 tokens, rows] quads. A
// segment of columns fills whole tiles, zeros at its end, so tiles of both lie in memory one after the other
// as they are multiplied.

#include "backend/cpu/gemm/int_panels.h"

namespace halftone::cpu {
namespace {

/// What is written from so many bytes on goes past the caches: they would not hold it until it is read, and
/// would fetch it only to overwrite it.
constexpr int64_t kStreamedBytes = int64_t{1} << 20;

/// What tiles of weights hold.
enum class Codes {
  signed_less_zero,  ///< s8: less their zero point
  raw                ///< u8: of 8 bits, which less a zero point may not fit 8 bits
};

inline int64_t columns_of(const IntPanelsView& weights, const IntSegment& segment) {
  return segment.units * (kQuad * 8 / weights.bits);
}

/// How the columns of a matrix lie in tiles.
struct TileForm {
  static constexpr int64_t kColumns = 64;  ///< of a full tile

  Codes codes;
  int64_t columns;   ///< of A, under one tile
  int64_t rows = 0;  ///< of a tile of weights, quads in a row of activations
  int64_t tiles = 0;
  int64_t longest_tiles = 0;  ///< of a segment
  bool in_place;              ///< the packed codes are such tiles

  explicit TileForm(const IntPanelsView& weights) {
    int64_t longest = kQuad;
    bool whole = true;
    for (int64_t s = 0; s < weights.segment_count; ++s) {
      const int64_t length = columns_of(weights, weights.segments[s]);
      longest = length > longest ? length : longest;
      whole = whole && length % kColumns == 0;
    }
    codes = weights.bits == 8 ? Codes::raw : Codes::signed_less_zero;
    columns = longest < kColumns ? longest : kColumns;
    rows = columns / kQuad;
    in_place = codes == Codes::raw && whole;
    longest_tiles = (longest + columns - 1) / columns;
    for (int64_t s = 0; s < weights.segment_count; ++s) tiles += tiles_of(weights, weights.segments[s]);
  }

  int64_t tiles_of(const IntPanelsView& weights, const IntSegment& segment) const {
    return (columns_of(weights, segment) + columns - 1) / columns;
  }
  int64_t row_bytes() const { return rows * kQuad; }
  int64_t tile_bytes() const { return rows * kUnitBytes; }
  /// Of 16 outputs or 16 tokens.
  int64_t panel_bytes() const { return tiles * tile_bytes(); }
};

/// Columns that are multiplied in one go: whole segments, or a piece of one.
struct Part {
  int64_t first, count;  ///< segments
  int64_t tile, tiles;   ///< of those of all columns
  int64_t inside;        ///< tiles of its segment before it
  bool ends_segment;
};

/// The part that follows one, of `most` tiles if a segment is longer than that or else no more. The first:
/// follows one of no segments.
inline Part part_after(const IntPanelsView& weights, const TileForm& form, const Part& before, int64_t most) {
  Part part{before.first + before.count, 0, before.tile + before.tiles, 0, 0, true};
  if (!before.ends_segment) {
    part.first = before.first;
    part.inside = before.inside + before.tiles;
  }
  for (int64_t s = part.first; s < weights.segment_count; ++s) {
    const int64_t left = form.tiles_of(weights, weights.segments[s]) - part.inside;
    if (part.count > 0 && part.tiles + left > most) break;
    part.ends_segment = left <= most;
    part.tiles += left < most ? left : most;
    ++part.count;
    if (part.inside > 0 || !part.ends_segment) break;
  }
  return part;
}

/// The packed codes of a part of a panel.
struct PackedPart {
  const std::byte* begin;
  int64_t bytes;

  PackedPart(const IntPanelsView& weights, const TileForm& form, const Part& part, const std::byte* panel) {
    const int64_t unit_columns = kQuad * 8 / weights.bits;
    const IntSegment& last = weights.segments[part.first + part.count - 1];
    const int64_t from = weights.segments[part.first].packed + part.inside * form.columns;
    const int64_t end = last.packed + columns_of(weights, last);
    const int64_t to = part.ends_segment ? end : from + part.tiles * form.columns;
    begin = panel + weights.codes_offset + from / unit_columns * kUnitBytes;
    bytes = (to - from) / unit_columns * kUnitBytes;
  }
};

}  // namespace
}  // namespace halftone::cpu
