#pragma once

// Quantized activations -> tiles of AMX, for gemm_int_amx.cpp only (gemm_int_loops.h says why all
// of it is in an unnamed namespace).

#include "backend/cpu/gemm/gemm_int.h"
#include "backend/cpu/gemm/int_amx_weights.h"

namespace halftone::cpu {
namespace {

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
