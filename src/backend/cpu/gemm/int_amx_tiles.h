#pragma once

// Weights and activations as tiles of AMX, for gemm_int_amx.cpp only (gemm_int_loops.h says why all of it is
// in an unnamed namespace).
//
// A tile of weights is [rows, 16 outputs] words of 32 bits, one of activations [16 tokens, rows] such words:
// a word is a quad of codes or a pair of bf16 numbers. A segment of columns fills whole tiles, zeros at its
// end, so tiles of both lie in memory one after the other as they are multiplied.

#include "backend/cpu/gemm/int_avx512_vectors.h"

namespace halftone::cpu {
namespace {

/// What is written from so many bytes on goes past the caches: they would not hold it until it is read, and
/// would fetch it only to overwrite it.
constexpr int64_t kStreamedBytes = int64_t{1} << 20;

/// What the words of a tile hold.
enum class Words {
  codes,   ///< s8: codes less their zero point
  raw,     ///< u8: codes of 8 bits, which less a zero point may not fit 8 bits
  bfloats  ///< codes less their zero point as bf16: sums come out in f32, exact below 2^24
};

inline int64_t columns_of(const IntPanelsView& weights, const IntSegment& segment) {
  return segment.units * (kQuad * 8 / weights.bits);
}

/// How the columns of a matrix lie in tiles.
struct TileForm {
  static constexpr int64_t kCodes = 64, kBfloats = 32;  ///< columns of a full tile

  Words words;
  int64_t columns;   ///< of A, under one tile
  int64_t rows = 0;  ///< of a tile of weights, words in a row of activations
  int64_t tiles = 0;
  int64_t longest_tiles = 0;  ///< of a segment
  bool in_place;              ///< the packed codes are such tiles

  explicit TileForm(const IntPanelsView& weights) {
    int64_t longest = kQuad;
    bool whole = true;
    for (int64_t s = 0; s < weights.segment_count; ++s) {
      const int64_t length = columns_of(weights, weights.segments[s]);
      longest = length > longest ? length : longest;
      whole = whole && length % kCodes == 0;
    }
    // Of short segments, turning the sums into f32 would take longer than the products.
    // 32 * 255 * 127 < 2^24.
    words = longest <= kBfloats ? Words::bfloats : weights.bits == 8 ? Words::raw : Words::codes;
    columns = longest < kCodes ? longest : kCodes;
    rows = columns / (words == Words::bfloats ? 2 : kQuad);
    in_place = words == Words::raw && whole;
    longest_tiles = (longest + columns - 1) / columns;
    for (int64_t s = 0; s < weights.segment_count; ++s) tiles += tiles_of(weights, weights.segments[s]);
  }

  int64_t tiles_of(const IntPanelsView& weights, const IntSegment& segment) const {
    return (columns_of(weights, segment) + columns - 1) / columns;
  }
  int64_t row_bytes() const { return rows * 4; }
  int64_t tile_bytes() const { return rows * kUnitBytes; }
  /// Of 16 outputs or 16 tokens.
  int64_t panel_bytes() const { return tiles * tile_bytes(); }
};

/// The zero points of a panel in one segment, each four times as a byte.
inline __m512i zeros_of(const IntPanelsView& weights, const std::byte* panel, const IntSegment& segment) {
  if (weights.zero_kind == ZeroKind::minimum) return _mm512_setzero_si512();
  if (weights.zero_kind == ZeroKind::shared) return _mm512_set1_epi8(static_cast<char>(weights.zero));
  const std::byte* zeros = panel + weights.zeros_offset + segment.b_group * kPanelRows;
  const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(zeros));
  return _mm512_mullo_epi32(_mm512_cvtepu8_epi32(bytes), _mm512_set1_epi32(0x01010101));
}

/// bf16 of -16 to 15, each at its low five bits.
struct SmallBfloats {
  alignas(64) uint16_t at[32];
  constexpr SmallBfloats() : at() {
    for (int i = -16; i < 16; ++i)
      at[i & 31] = static_cast<uint16_t>(__builtin_bit_cast(uint32_t, static_cast<float>(i)) >> 16);
  }
};
constexpr SmallBfloats kSmallBfloats;

/// 32 integers of 9 bits and a sign -> bf16.
template <bool kSmall>
__m512i to_bfloats(__m512i x) {
  if constexpr (kSmall) return _mm512_permutexvar_epi16(x, _mm512_load_si512(kSmallBfloats.at));
  const auto half = [](__m256i part) { return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(part)); };
  return reinterpret_cast<__m512i>(
      _mm512_cvtne2ps_pbh(half(_mm512_extracti64x4_epi64(x, 1)), half(_mm512_castsi512_si256(x))));
}

/// One quad of codes for each output as the rows of a tile that they make; returns what follows these.
template <Words kWords, int kBits>
std::byte* store_quads(std::byte* to, __m512i codes, __m512i zeros) {
  if constexpr (kWords == Words::bfloats) {
    const __m512i low = _mm512_set1_epi16(0xff);
    const __m512i even = _mm512_sub_epi16(_mm512_and_si512(codes, low), _mm512_and_si512(zeros, low));
    const __m512i odd = _mm512_sub_epi16(_mm512_srli_epi16(codes, 8), _mm512_srli_epi16(zeros, 8));
    _mm512_store_si512(to, to_bfloats<(kBits <= 4)>(even));
    _mm512_store_si512(to + kUnitBytes, to_bfloats<(kBits <= 4)>(odd));
    return to + 2 * kUnitBytes;
  }
  _mm512_store_si512(to, kWords == Words::raw ? codes : _mm512_sub_epi8(codes, zeros));
  return to + kUnitBytes;
}

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

/// The tiles of a part of a packed panel.
template <Words kWords, int kBits>
void make_tiles(const IntPanelsView& weights, const TileForm& form, const Part& part, const std::byte* panel,
                std::byte* to) {
  constexpr int64_t kUnitColumns = kQuad * 8 / kBits;
  std::byte* const part_end = to + part.tiles * form.tile_bytes();
  for (int64_t s = part.first; s < part.first + part.count; ++s) {
    const IntSegment& segment = weights.segments[s];
    const __m512i zeros = zeros_of(weights, panel, segment);
    int64_t unit = part.inside * form.columns / kUnitColumns;
    const std::byte* codes =
        panel + weights.codes_offset + (segment.packed / kUnitColumns + unit) * kUnitBytes;
    std::byte* end = to + (form.tiles_of(weights, segment) - part.inside) * form.tile_bytes();
    end = end < part_end ? end : part_end;
    for (; unit < segment.units && to < end; ++unit, codes += kUnitBytes) {
      __m512i quads[8 / kBits];
      Avx512Vnni::unpack<kBits>(codes, quads);
      for (__m512i quad : quads) to = store_quads<kWords, kBits>(to, quad, zeros);
    }
    for (; to < end; to += kUnitBytes) _mm512_store_si512(to, _mm512_setzero_si512());
  }
}

/// The tiles of a part of a panel, in `scratch` unless they are in place.
template <Words kWords>
const std::byte* tiles_of_part(const IntPanelsView& weights, const TileForm& form, const Part& part,
                               const std::byte* panel, std::byte* scratch) {
  if (form.in_place) return panel + weights.codes_offset + part.tile * form.tile_bytes();
  if (weights.bits == 8)
    make_tiles<kWords, 8>(weights, form, part, panel, scratch);
  else if constexpr (kWords != Words::raw)
    weights.bits == 2 ? make_tiles<kWords, 2>(weights, form, part, panel, scratch)
                      : make_tiles<kWords, 4>(weights, form, part, panel, scratch);
  return scratch;
}

/// Writes IntRows::other: the tiles of 16 tokens after those of the 16 before.
class TokenTiles {
 public:
  TokenTiles(const IntPanelsView& weights, const IntRows& rows)
      : weights_(weights),
        form_(weights),
        rows_(rows),
        streams_(form_.row_bytes() == kUnitBytes && rows.rows * rows.other_bytes >= kStreamedBytes) {}

  void store(int64_t m) const { form_.words == Words::bfloats ? store_row<true>(m) : store_row<false>(m); }

 private:
  template <bool kFloats>
  void store_row(int64_t m) const {
    const int8_t* codes = rows_.codes + m * rows_.stride;
    std::byte* to = rows_.other + m / 16 * form_.panel_bytes() + m % 16 * form_.row_bytes();
    const int64_t next = form_.tile_bytes();
    const __mmask64 width = first(form_.row_bytes());
    for (int64_t s = 0; s < weights_.segment_count; ++s) {
      const IntSegment& segment = weights_.segments[s];
      const int8_t* from = codes + segment.packed;
      int64_t left = columns_of(weights_, segment);
      for (; left > 0; left -= form_.columns, from += form_.columns, to += next) {
        const __m512i tile =
            _mm512_maskz_loadu_epi8(first(left < form_.columns ? left : form_.columns), from);
        const __m512i words = kFloats ? pairs(_mm512_castsi512_si256(tile)) : tile;
        streams_ ? _mm512_stream_si512(reinterpret_cast<__m512i*>(to), words)
                 : _mm512_mask_storeu_epi8(to, width, words);
      }
    }
  }

  static __mmask64 first(int64_t bytes) { return ~uint64_t{0} >> (64 - bytes); }

  /// Codes as bf16, those of a quad in the order 0, 2, 1, 3, as store_quads() has those of weights.
  static __m512i pairs(__m256i codes) {
    const __m128i order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    const __m256i ordered = _mm256_shuffle_epi8(codes, _mm256_set_m128i(order, order));
    return to_bfloats<false>(_mm512_cvtepi8_epi16(ordered));
  }

  const IntPanelsView& weights_;
  const TileForm form_;
  const IntRows& rows_;
  bool streams_;  ///< past the caches, which would not hold so much
};

}  // namespace
}  // namespace halftone::cpu
