#pragma once

// For *_avx2.cpp sources only (see code_tile_loops.h).

#include <cstdint>
#include <immintrin.h>

namespace halftone::cpu {
namespace {

struct CodeLookUpAvx2 {
  /// 32 codes through a table of 256: 16 tables of 16 by the low half of each code, then one of them by its
  /// upper bits. Of two neighbours one finds 0, by an index of 0x80 and more.
  static __m256i look_up(const uint8_t* table, __m256i codes) {
    const __m256i upper = _mm256_set1_epi8(static_cast<char>(0x80));
    const __m256i bit4 = _mm256_and_si256(_mm256_slli_epi16(codes, 3), upper);
    const __m256i first = _mm256_or_si256(_mm256_and_si256(codes, _mm256_set1_epi8(0x0f)), bit4);
    const __m256i second = _mm256_xor_si256(first, upper);
    const auto sixteen = [&](int i, __m256i index) {
      const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * i));
      return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(part), index);
    };
    const auto two = [&](int i) { return _mm256_or_si256(sixteen(i, first), sixteen(i + 1, second)); };
    const __m256i bit5 = _mm256_slli_epi16(codes, 2), bit6 = _mm256_slli_epi16(codes, 1);
    const auto four = [&](int i) { return _mm256_blendv_epi8(two(i), two(i + 2), bit5); };
    const __m256i low = _mm256_blendv_epi8(four(0), four(4), bit6);
    return _mm256_blendv_epi8(low, _mm256_blendv_epi8(four(8), four(12), bit6), codes);
  }
};

}  // namespace
}  // namespace halftone::cpu
