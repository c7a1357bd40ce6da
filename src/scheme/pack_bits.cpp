#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/checked.h"
#include "scheme/quantized_tensor.h"

namespace halftone {
namespace {

void pack_nibbles(std::span<const uint8_t> codes, std::span<std::byte> packed) {
  for (size_t i = 0; i < codes.size() / 2; ++i)
    packed[i] = static_cast<std::byte>(codes[2 * i] | (codes[2 * i + 1] << 4));
  if (codes.size() % 2) packed[codes.size() / 2] = static_cast<std::byte>(codes.back());
}

void unpack_nibbles(std::span<const std::byte> packed, std::span<uint8_t> codes) {
  for (size_t i = 0; i < codes.size() / 2; ++i) {
    const uint8_t both = static_cast<uint8_t>(packed[i]);
    codes[2 * i] = both & 15;
    codes[2 * i + 1] = both >> 4;
  }
  if (codes.size() % 2) codes.back() = static_cast<uint8_t>(packed[codes.size() / 2]) & 15;
}

}  // namespace

// Eight codes of any width fill a whole number of bytes: `bits` of them.

void pack_bits(std::span<const uint8_t> codes, int bits, std::span<std::byte> packed) {
  const size_t width = static_cast<size_t>(bits);
  assert(bits >= 1 && bits <= 8 && packed.size() == ceil_div(codes.size() * width, size_t{8}));
  if (bits == 8)
    return static_cast<void>(std::copy_n(std::as_bytes(codes).begin(), codes.size(), packed.begin()));
  if (bits == 4) return pack_nibbles(codes, packed);
  for (size_t begin = 0, to = 0; begin < codes.size(); begin += 8, to += width) {
    const size_t count = std::min(size_t{8}, codes.size() - begin);
    uint64_t word = 0;
    for (size_t i = 0; i < count; ++i) word |= uint64_t{codes[begin + i]} << (i * width);
    const size_t bytes = std::min(width, packed.size() - to);
    for (size_t i = 0; i < bytes; ++i) packed[to + i] = static_cast<std::byte>(word >> (8 * i));
  }
}

void unpack_bits(std::span<const std::byte> packed, int bits, std::span<uint8_t> codes) {
  const size_t width = static_cast<size_t>(bits);
  assert(bits >= 1 && bits <= 8 && packed.size() == ceil_div(codes.size() * width, size_t{8}));
  if (bits == 8)
    return static_cast<void>(std::copy(packed.begin(), packed.end(), std::as_writable_bytes(codes).begin()));
  if (bits == 4) return unpack_nibbles(packed, codes);
  const uint64_t mask = (uint64_t{1} << width) - 1;
  for (size_t begin = 0, from = 0; begin < codes.size(); begin += 8, from += width) {
    const size_t bytes = std::min(width, packed.size() - from);
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; ++i) word |= static_cast<uint64_t>(packed[from + i]) << (8 * i);
    const size_t count = std::min(size_t{8}, codes.size() - begin);
    for (size_t i = 0; i < count; ++i) codes[begin + i] = static_cast<uint8_t>((word >> (i * width)) & mask);
  }
}

}  // namespace halftone
