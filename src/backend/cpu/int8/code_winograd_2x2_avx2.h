#pragma once

// For code_winograd_loops_avx2.h only (see code_tile_loops.h).

#include <immintrin.h>

#include "backend/cpu/int8/winograd_window.h"

namespace halftone::cpu {
namespace {

/// The transforms of F(2x2, 3x3).
struct WinogradOfTwo {
  static constexpr int kOut = 2, kIn = 4;
  static constexpr int64_t kTiles = 24;
  static constexpr int64_t kReach = int64_t{1} << 29;  ///< of the sums, that come out four times
  static constexpr auto kWindow = transform_window_2x2;

  /// B^T d.
  static void in(const __m256i (&d)[kIn], __m256i (&to)[kIn]) {
    to[0] = _mm256_sub_epi16(d[0], d[2]);
    to[1] = _mm256_add_epi16(d[1], d[2]);
    to[2] = _mm256_sub_epi16(d[2], d[1]);
    to[3] = _mm256_sub_epi16(d[1], d[3]);
  }
  /// A^T m.
  static void out(const __m256i (&m)[kIn], __m256i (&to)[kOut]) {
    to[0] = _mm256_add_epi32(_mm256_add_epi32(m[0], m[1]), m[2]);
    to[1] = _mm256_sub_epi32(_mm256_sub_epi32(m[1], m[2]), m[3]);
  }
  /// The sum itself.
  static __m256i whole(__m256i times, int, int) { return _mm256_srai_epi32(times, 2); }
};

}  // namespace
}  // namespace halftone::cpu
