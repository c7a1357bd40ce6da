#pragma once

#include <cstdint>
#include <span>

#include "core/tensor.h"

namespace halftone {

/// Code number `index` of a little-endian stream of codes in 32-bit words that lie `stride` words apart.
inline uint8_t stream_code(const uint32_t* words, int64_t stride, int64_t index, int bits) {
  const int64_t bit = index * bits;
  const int64_t word = bit / 32;
  const int shift = static_cast<int>(bit % 32);
  uint32_t value = words[word * stride] >> shift;
  if (shift + bits > 32) value |= words[(word + 1) * stride] << (32 - shift);
  return static_cast<uint8_t>(value & ((1u << bits) - 1));
}

/// Ors a code into a stream of zeros.
inline void put_stream_code(uint32_t* words, int64_t stride, int64_t index, int bits, uint8_t code) {
  const int64_t bit = index * bits;
  const int64_t word = bit / 32;
  const int shift = static_cast<int>(bit % 32);
  words[word * stride] |= uint32_t{code} << shift;
  if (shift + bits > 32) words[(word + 1) * stride] |= uint32_t{code} >> (32 - shift);
}

/// An i32 (or u32) tensor's words.
inline const uint32_t* words_of(const Tensor& tensor) {
  return reinterpret_cast<const uint32_t*>(tensor.view().data);
}
inline uint32_t* words_of(const MutableTensorView& view) {
  return reinterpret_cast<uint32_t*>(view.data);
}

}  // namespace halftone
