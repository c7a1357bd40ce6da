#pragma once

// For per-ISA sources only, as simd.h.

#include <immintrin.h>

namespace halftone::cpu {
namespace {

/// Rows become columns: element c of row r goes to element r of row c.
inline void transpose_16x16(__m512i (&rows)[16]) {
  __m512i by2[16], by4[16], by8[16];
#pragma GCC unroll 8
  for (int r = 0; r < 16; r += 2) {
    by2[r] = _mm512_unpacklo_epi32(rows[r], rows[r + 1]);
    by2[r + 1] = _mm512_unpackhi_epi32(rows[r], rows[r + 1]);
  }
#pragma GCC unroll 4
  for (int r = 0; r < 16; r += 4) {
    by4[r] = _mm512_unpacklo_epi64(by2[r], by2[r + 2]);
    by4[r + 1] = _mm512_unpackhi_epi64(by2[r], by2[r + 2]);
    by4[r + 2] = _mm512_unpacklo_epi64(by2[r + 1], by2[r + 3]);
    by4[r + 3] = _mm512_unpackhi_epi64(by2[r + 1], by2[r + 3]);
  }
  // Lane l of by4[4g + c] holds column 4l + c of rows 4g to 4g + 3.
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    by8[c] = _mm512_shuffle_i32x4(by4[c], by4[4 + c], 0x88);
    by8[4 + c] = _mm512_shuffle_i32x4(by4[c], by4[4 + c], 0xdd);
    by8[8 + c] = _mm512_shuffle_i32x4(by4[8 + c], by4[12 + c], 0x88);
    by8[12 + c] = _mm512_shuffle_i32x4(by4[8 + c], by4[12 + c], 0xdd);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    rows[c] = _mm512_shuffle_i32x4(by8[c], by8[8 + c], 0x88);
    rows[8 + c] = _mm512_shuffle_i32x4(by8[c], by8[8 + c], 0xdd);
    rows[4 + c] = _mm512_shuffle_i32x4(by8[4 + c], by8[12 + c], 0x88);
    rows[12 + c] = _mm512_shuffle_i32x4(by8[4 + c], by8[12 + c], 0xdd);
  }
}

}  // namespace
}  // namespace halftone::cpu
