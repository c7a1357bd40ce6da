#pragma once

// For per-ISA sources only, as simd.h.

#if defined(__AVX512VNNI__)

#include <immintrin.h>

namespace halftone::cpu {
namespace {

/// Each 32-bit lane of `sum` and the four products there of unsigned and signed bytes. In place: g++ 12
/// copies a sum that a loop carries to another register and back, at each step.
inline __m512i add_byte_products(__m512i sum, __m512i unsigned_bytes, __m512i signed_bytes) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(unsigned_bytes), "v"(signed_bytes));
  return sum;
}

}  // namespace
}  // namespace halftone::cpu

#endif
