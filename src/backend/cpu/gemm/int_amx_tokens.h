#pragma once

// Quantized activations -> tiles of AMX, for gemm_int_amx.cpp only (gemm_int_loops.h says why all
// of it is in an unnamed namespace).

#include <immintrin.h>

#include "backend/cpu/gemm/gemm_int.h"
#include "backend/cpu/gemm/int_amx_tiles.h"

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

  void store(int64_t m) const {
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
        streams_ ? _mm512_stream_si512(reinterpret_cast<__m512i*>(to), tile)
                 : _mm512_mask_storeu_epi8(to, width, tile);
      }
    }
  }

 private:
  static __mmask64 first(int64_t bytes) { return ~uint64_t{0} >> (64 - bytes); }

  const IntPanelsView& weights_;
  const TileForm form_;
  const IntRows& rows_;
  bool streams_;  ///< past the caches, which would not hold so much
};

}  // namespace
}  // namespace halftone::cpu
