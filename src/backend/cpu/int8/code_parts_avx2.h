#pragma once

// For *_avx2.cpp sources only (see code_tile_loops.h).

#include <cstdint>
#include <immintrin.h>

namespace halftone::cpu {
namespace {

/// Up to 16 codes, of which only those that are there are touched.
struct CodePartsAvx2 {
  /// The first `count` of 16 bytes; the others are 0.
  static __m128i load_part(const uint8_t* from, int64_t count) {
    if (count >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    uint64_t low = 0, high = 0;
    if (count > 8) {
      __builtin_memcpy(&low, from, 8);
      __builtin_memcpy(&high, from + count - 8, 8);  // its upper bytes are those from 8 on
      high >>= 8 * (16 - count);
    } else if (count >= 4) {
      uint32_t first, last;
      __builtin_memcpy(&first, from, 4);
      __builtin_memcpy(&last, from + count - 4, 4);
      low = first | uint64_t{last} << 8 * (count - 4);
    } else {
      for (int64_t i = 0; i < count; ++i) low |= uint64_t{from[i]} << 8 * i;
    }
    return _mm_set_epi64x(static_cast<int64_t>(high), static_cast<int64_t>(low));
  }

  static void store_part(uint8_t* to, __m128i codes, int64_t count) {
    if (count >= 16) return _mm_storeu_si128(reinterpret_cast<__m128i*>(to), codes);
    uint64_t left = static_cast<uint64_t>(_mm_cvtsi128_si64(codes));
    if (count >= 8) {
      __builtin_memcpy(to, &left, 8);
      to += 8;
      count -= 8;
      left = static_cast<uint64_t>(_mm_extract_epi64(codes, 1));
    }
    if (count >= 4) {
      __builtin_memcpy(to, &left, 4);
      to += 4;
      count -= 4;
      left >>= 32;
    }
    for (int64_t i = 0; i < count; ++i, left >>= 8) to[i] = static_cast<uint8_t>(left);
  }
};

}  // namespace
}  // namespace halftone::cpu
