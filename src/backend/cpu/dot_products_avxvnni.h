#pragma once

// For *_avxvnni.cpp sources only, as simd.h. In place, as byte_products_avx512.h says why; assemblers take
// the form of AVX-512 unless told otherwise.

#if defined(__AVXVNNI__)

#include <immintrin.h>

namespace halftone::cpu {
namespace {

/// Each 32-bit lane of `sum` and the four products there of unsigned and signed bytes.
inline __m256i add_byte_products(__m256i sum, __m256i unsigned_bytes, __m256i signed_bytes) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(unsigned_bytes), "x"(signed_bytes));
  return sum;
}

/// The same of the two products of signed 16-bit numbers.
inline __m256i add_word_products(__m256i sum, __m256i a, __m256i b) {
  asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
  return sum;
}

}  // namespace
}  // namespace halftone::cpu

#endif
