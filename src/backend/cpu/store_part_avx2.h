#pragma once

// For per-ISA sources only, as simd.h.

#include <cstdint>
#include <immintrin.h>

namespace halftone::cpu {
namespace {

/// The first `count` < 8 floats of x, in powers of two: masked stores take a dozen cycles on AMD.
inline void store_part_avx2(float* to, __m256 x, int64_t count) {
  __m128 part = _mm256_castps256_ps128(x);
  if (count & 4) {
    _mm_storeu_ps(to, part);
    part = _mm256_extractf128_ps(x, 1);
    to += 4;
  }
  if (count & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(to), part);
    part = _mm_movehl_ps(part, part);
    to += 2;
  }
  if (count & 1) _mm_store_ss(to, part);
}

}  // namespace
}  // namespace halftone::cpu
