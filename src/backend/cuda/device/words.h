#pragma once

// The instructions on words of 32 bits that unpacking and integer products need.

#include "backend/cuda/device/kernel.h"

namespace halftone::cuda {

#ifdef __CUDACC__
/// The upper word of a * b.
DEVICE uint32_t high_product(uint32_t a, uint32_t b) {
  return __umulhi(a, b);
}
/// (a & b) | c in one instruction.
DEVICE uint32_t and_or(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t d;
  asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
/// Byte i of the result is byte `selector` nibble i (0 to 7) of the eight bytes of (b, a), a's first.
DEVICE uint32_t pick_bytes(uint32_t a, uint32_t b, uint32_t selector) {
  return __byte_perm(a, b, selector);
}
/// x; but what follows from it is worked out at this place, not ahead of a loop, where it would take
/// registers.
DEVICE int here(int x) {
  asm volatile("" : "+r"(x));
  return x;
}
/// c + the sum of the four products of signed bytes.
DEVICE int dot4(uint32_t a, uint32_t b, int c) {
  return __dp4a(static_cast<int>(a), static_cast<int>(b), c);
}
#else
inline uint32_t high_product(uint32_t a, uint32_t b) {
  return static_cast<uint32_t>((uint64_t{a} * b) >> 32);
}
inline uint32_t and_or(uint32_t a, uint32_t b, uint32_t c) {
  return (a & b) | c;
}
inline uint32_t pick_bytes(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = (uint64_t{b} << 32) | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i)
    result |= static_cast<uint32_t>((bytes >> (8 * ((selector >> (4 * i)) & 7))) & 0xff) << (8 * i);
  return result;
}
inline int here(int x) {
  return x;
}
inline int dot4(uint32_t a, uint32_t b, int c) {
  for (int i = 0; i < 4; ++i) c += static_cast<int8_t>(a >> (8 * i)) * static_cast<int8_t>(b >> (8 * i));
  return c;
}
#endif

}  // namespace halftone::cuda
