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

}  // namespace
}  // namespace halftone::cpu
