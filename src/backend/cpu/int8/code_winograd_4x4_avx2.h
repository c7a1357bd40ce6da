#pragma once

// For code_winograd_loops_avx2.h only (see code_tile_loops.h).

#include <immintrin.h>

#include "backend/cpu/int8/winograd_window.h"

namespace halftone::cpu {
namespace {

/// The transforms of F(4x4, 3x3). A sum at row p, column q of a tile comes out d[p] d[q] times, d = 24, 12,
/// 6, 6: nine times a power of two, 64 at most. Modulo 2^32, the inverse of 9 leaves the power of two times
/// the sum, and a shift the sum, where it has 26 bits.
struct WinogradOfFour {
  static constexpr int kOut = 4, kIn = 6;
  static constexpr int64_t kTiles = 24;
  static constexpr int64_t kReach = int64_t{1} << 25;
  static constexpr auto kWindow = transform_window_4x4;

  /// B^T d: 10 times the largest number at most.
  static void in(const __m256i (&d)[kIn], __m256i (&to)[kIn]) {
    const auto four_times = [](__m256i x) { return _mm256_slli_epi16(x, 2); };
    const __m256i even = _mm256_sub_epi16(d[4], four_times(d[2]));
    const __m256i odd = _mm256_sub_epi16(d[3], four_times(d[1]));
    to[1] = _mm256_add_epi16(even, odd);
    to[2] = _mm256_sub_epi16(even, odd);
    const __m256i far_even = _mm256_sub_epi16(d[4], d[2]), difference = _mm256_sub_epi16(d[3], d[1]);
    const __m256i far_odd = _mm256_add_epi16(difference, difference);
    to[3] = _mm256_add_epi16(far_even, far_odd);
    to[4] = _mm256_sub_epi16(far_even, far_odd);
    to[0] = _mm256_add_epi16(four_times(_mm256_sub_epi16(d[0], d[2])), far_even);
    to[5] = _mm256_sub_epi16(_mm256_sub_epi16(d[5], d[3]), _mm256_add_epi16(far_odd, far_odd));
  }
  /// A^T m, each row times d.
  static void out(const __m256i (&m)[kIn], __m256i (&to)[kOut]) {
    const auto twice = [](__m256i x) { return _mm256_add_epi32(x, x); };
    const __m256i sum = _mm256_add_epi32(m[1], m[2]), difference = _mm256_sub_epi32(m[1], m[2]);
    const __m256i far_sum = _mm256_add_epi32(m[3], m[4]), far_difference = _mm256_sub_epi32(m[3], m[4]);
    to[0] = _mm256_sub_epi32(_mm256_add_epi32(m[0], far_sum), _mm256_slli_epi32(sum, 2));
    to[1] = _mm256_sub_epi32(far_difference, twice(difference));
    to[2] = _mm256_sub_epi32(far_sum, sum);
    to[3] = _mm256_add_epi32(twice(far_difference), _mm256_sub_epi32(m[5], difference));
  }
  static __m256i whole(__m256i times, int row, int column) {
    constexpr int kShifts[kOut] = {3, 2, 1, 1};
    const __m256i inverse_of_9 = _mm256_set1_epi32(954437177);
    return _mm256_srai_epi32(_mm256_mullo_epi32(times, inverse_of_9), kShifts[row] + kShifts[column]);
  }
};

}  // namespace
}  // namespace halftone::cpu
