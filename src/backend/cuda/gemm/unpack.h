#pragma once

// From the words of WeightsView to A fragments of m16n8k16 (device/matrix.h).
//
// Integers need no conversion: a code c < 1024 in the low bits of an f16 is the subnormal number c * 2^-24,
// which the Tensor Cores multiply exactly. Where the codes of output g + 8 lie b bits higher than those of
// output g, they are 2^b times as large. Both factors go into the f32 scales. So four 4-bit weights of an
// output cost two instructions, and products are exact until the f32 sum.

#include "backend/cuda/device/device.h"
#include "backend/cuda/gemm/weights.h"

namespace halftone::cuda {

/// A word with `mask` taken from `bits` at `shift`.
DEVICE uint32_t field(uint32_t bits, int shift, uint32_t mask) {
  return (bits >> shift) & mask;
}

/// kWords: 16-byte words of a lane in a step of kBlocks blocks; fragment(): of block b, m16n8k16 step s;
/// weight = fragment * raw_scale(h), h: 0 for output g, 1 for g + 8.
template <WeightKind kind>
struct Unpack;

template <>
struct Unpack<WeightKind::half> {
  static constexpr int kWords = 2, kBlocks = 1;
  static constexpr bool kIntegers = false, kScaled = false;
  DEVICE static constexpr float raw_scale(int) { return 1; }
  DEVICE static void fragment(const uint32_t* words, int, int s, const uint32_t*, uint32_t (&a)[4]) {
    UNROLL
    for (int i = 0; i < 4; ++i) a[i] = words[4 * s + i];
  }
};

/// fragment(): the larger part; low_fragment(): the rest.
template <>
struct Unpack<WeightKind::split> {
  static constexpr int kWords = 4, kBlocks = 1;
  static constexpr bool kIntegers = false, kScaled = false;
  DEVICE static constexpr float raw_scale(int) { return 1; }
  DEVICE static void fragment(const uint32_t* words, int, int s, const uint32_t*, uint32_t (&a)[4]) {
    UNROLL
    for (int i = 0; i < 4; ++i) a[i] = words[8 * s + i];
  }
  DEVICE static void low_fragment(const uint32_t* words, int s, uint32_t (&a)[4]) {
    UNROLL
    for (int i = 0; i < 4; ++i) a[i] = words[8 * s + 4 + i];
  }
};

/// quad(): the codes of four columns of one output as bytes.
template <>
struct Unpack<WeightKind::int8> {
  static constexpr int kWords = 1, kBlocks = 1;
  static constexpr bool kIntegers = true, kScaled = true;
  DEVICE static constexpr float raw_scale(int) { return 0x1p24f; }
  DEVICE static uint32_t quad(const uint32_t* words, int, int s, int h) { return words[2 * s + h]; }
  DEVICE static void fragment(const uint32_t* words, int, int s, const uint32_t*, uint32_t (&a)[4]) {
    UNROLL
    for (int h = 0; h < 2; ++h) {
      a[h] = field(words[2 * s + h], 0, 0x00ff00ffu);
      a[h + 2] = field(words[2 * s + h], 8, 0x00ff00ffu);
    }
  }
};

template <>
struct Unpack<WeightKind::int4> {
  static constexpr int kWords = 1, kBlocks = 2;
  static constexpr bool kIntegers = true, kScaled = true;
  DEVICE static constexpr float raw_scale(int h) { return h ? 0x1p20f : 0x1p24f; }
  DEVICE static uint32_t quad(const uint32_t* words, int b, int s, int h) {
    return field(words[2 * b + s], 4 * h, 0x0f0f0f0fu);
  }
  DEVICE static void fragment(const uint32_t* words, int b, int s, const uint32_t*, uint32_t (&a)[4]) {
    const uint32_t w = words[2 * b + s], v = w >> 8;
    a[0] = w & 0x000f000fu;
    a[1] = w & 0x00f000f0u;
    a[2] = v & 0x000f000fu;
    a[3] = v & 0x00f000f0u;
  }
};

template <>
struct Unpack<WeightKind::int2> {
  static constexpr int kWords = 1, kBlocks = 4;
  static constexpr bool kIntegers = true, kScaled = true;
  DEVICE static constexpr float raw_scale(int h) { return h ? 0x1p22f : 0x1p24f; }
  DEVICE static uint32_t quad(const uint32_t* words, int b, int s, int h) {
    return field(words[b], 4 * s + 2 * h, 0x03030303u);
  }
  DEVICE static void fragment(const uint32_t* words, int b, int s, const uint32_t*, uint32_t (&a)[4]) {
    const uint32_t w = words[b] >> (4 * s), v = w >> 8;
    a[0] = w & 0x00030003u;
    a[1] = w & 0x000c000cu;
    a[2] = v & 0x00030003u;
    a[3] = v & 0x000c000cu;
  }
};

/// The bytes that the four 4-bit codes of a quad pick from a table of 16, in 8 bytes each.
DEVICE uint32_t pick_of_16(const uint32_t* table, uint32_t selectors, uint32_t high) {
  const uint32_t lower = pick_bytes(table[0], table[1], selectors);
  const uint32_t upper = pick_bytes(table[2], table[3], selectors);
  return (lower & ~high) | (upper & high);
}

template <>
struct Unpack<WeightKind::table4> {
  static constexpr int kWords = 1, kBlocks = 2;
  static constexpr bool kIntegers = false, kScaled = true;
  DEVICE static constexpr float raw_scale(int) { return 1; }
  /// `table`: the low bytes of the 16 numbers, then their high bytes.
  DEVICE static void fragment(const uint32_t* words, int b, int s, const uint32_t* table, uint32_t (&a)[4]) {
    const uint32_t w = words[2 * b + s], selectors = w & 0x77777777u, above = (w >> 3) & 0x11111111u;
    // The low half of the word has columns +0, +2 of both outputs, the high half +1, +3.
    const uint32_t high0 = pick_bytes(0x0000ff00u, 0, above), high1 = pick_bytes(0x0000ff00u, 0, above >> 16);
    const uint32_t low_a = pick_of_16(table, selectors, high0);
    const uint32_t low_b = pick_of_16(table, selectors >> 16, high1);
    const uint32_t top_a = pick_of_16(table + 4, selectors, high0);
    const uint32_t top_b = pick_of_16(table + 4, selectors >> 16, high1);
    // Byte i of the `a` words is column +0 (i = 2, 3: +2) of fragment word i, of the `b` words +1 (+3).
    UNROLL
    for (int i = 0; i < 4; i += 2) {
      const uint32_t bytes = i ? 0x7362u : 0x5140u;
      const uint32_t first = pick_bytes(low_a, top_a, bytes), second = pick_bytes(low_b, top_b, bytes);
      a[i] = pick_bytes(first, second, 0x5410u);
      a[i + 1] = pick_bytes(first, second, 0x7632u);
    }
  }
};

template <>
struct Unpack<WeightKind::e5m2> {
  static constexpr int kWords = 1, kBlocks = 1;
  static constexpr bool kIntegers = false, kScaled = true;
  DEVICE static constexpr float raw_scale(int) { return 1; }
  DEVICE static void fragment(const uint32_t* words, int, int s, const uint32_t*, uint32_t (&a)[4]) {
    UNROLL
    for (int h = 0; h < 2; ++h) {
      const uint32_t quad = words[2 * s + h];
      a[h] = (quad & 0x00ff00ffu) << 8;
      a[h + 2] = quad & 0xff00ff00u;
    }
  }
};

/// The exponent's bias is 8 less than that of f16.
template <>
struct Unpack<WeightKind::e4m3> {
  static constexpr int kWords = 1, kBlocks = 1;
  static constexpr bool kIntegers = false, kScaled = true;
  DEVICE static constexpr float raw_scale(int) { return 0x1p8f; }
  DEVICE static void fragment(const uint32_t* words, int, int s, const uint32_t*, uint32_t (&a)[4]) {
    UNROLL
    for (int h = 0; h < 2; ++h) {
      const uint32_t quad = words[2 * s + h];
      a[h] = ((quad & 0x00800080u) << 8) | ((quad & 0x007f007fu) << 7);
      a[h + 2] = (quad & 0x80008000u) | ((quad & 0x7f007f00u) >> 1);
    }
  }
};

/// The column of the matrix that packed column p is; -1: filling.
DEVICE int source_column(const WeightsView& w, int p) {
  if (w.group == w.taken) return p < w.k ? p : -1;
  const int group = p / w.group, within = p % w.group, column = group * w.taken + within;
  return within < w.taken && column < w.k ? column : -1;
}

}  // namespace halftone::cuda
