#pragma once

// Packed weights -> tiles of AMX, for gemm_int_amx.cpp only (gemm_int_loops.h says why all
// of it is in an unnamed namespace).

#include "backend/cpu/gemm/int_amx_tiles.h"
#include "backend/cpu/gemm/int_avx512_vectors.h"

namespace halftone::cpu {
namespace {

/// The zero points of a panel in one segment, each four times as a byte.
inline __m512i zeros_of(const IntPanelsView& weights, const std::byte* panel, const IntSegment& segment) {
  if (weights.zero_kind == ZeroKind::minimum) return _mm512_setzero_si512();
  if (weights.zero_kind == ZeroKind::shared) return _mm512_set1_epi8(static_cast<char>(weights.zero));
  const std::byte* zeros = panel + weights.zeros_offset + segment.b_group * kPanelRows;
  const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(zeros));
  return _mm512_mullo_epi32(_mm512_cvtepu8_epi32(bytes), _mm512_set1_epi32(0x01010101));
}

/// The tiles of a part of a packed panel.
template <Codes kCodes, int kBits>
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
      for (__m512i quad : quads) {
        _mm512_store_si512(to, kCodes == Codes::raw ? quad : _mm512_sub_epi8(quad, zeros));
        to += kUnitBytes;
      }
    }
    for (; to < end; to += kUnitBytes) _mm512_store_si512(to, _mm512_setzero_si512());
  }
}

/// The tiles of a part of a panel, in `scratch` unless they are in place.
template <Codes kCodes>
const std::byte* tiles_of_part(const IntPanelsView& weights, const TileForm& form, const Part& part,
                               const std::byte* panel, std::byte* scratch) {
  if (form.in_place) return panel + weights.codes_offset + part.tile * form.tile_bytes();
  if (weights.bits == 8)
    make_tiles<kCodes, 8>(weights, form, part, panel, scratch);
  else if constexpr (kCodes != Codes::raw)
    weights.bits == 2 ? make_tiles<kCodes, 2>(weights, form, part, panel, scratch)
                      : make_tiles<kCodes, 4>(weights, form, part, panel, scratch);
  return scratch;
}

}  // namespace
}  // namespace halftone::cpu
