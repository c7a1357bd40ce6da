#pragma once

#include <cstddef>
#include <span>

#include "core/float16.h"

namespace halftone {

/// Keys and values in few bits, after KIVI (Liu et al., arXiv:2402.02750): keys have a scale for each channel
/// over the tokens of a tile, since their outliers sit in few channels; values one for each token and kGroup
/// channels. x = code * scale + offset, scale and offset in f16. 4 bits: codes 0..15, offset the least value;
/// 8 bits: codes -127..127, offset the middle of the range.
///
/// A tile is one head's [tokens, dim]. Its rows come first, row_bytes() each, of whole groups: of 8 bits a
/// byte a channel; of 4 bits byte j of a group holds channel j low and channel j + 16 high. Behind them lie
/// scales, then offsets: [dim] each of keys, [tokens, groups] each of values.
struct KvCodes {
  static constexpr int kGroup = 32;

  int bits;  ///< 4 or 8
  int tokens;
  int dim;

  struct Parameters {
    const Half* scales;
    const Half* offsets;
  };

  int groups() const { return (dim + kGroup - 1) / kGroup; }
  size_t row_bytes() const { return static_cast<size_t>(groups()) * kGroup * static_cast<size_t>(bits) / 8; }
  /// Of a tile of keys or values, whichever is larger.
  size_t tile_bytes() const;

  Parameters key_parameters(const std::byte* tile) const;
  Parameters value_parameters(const std::byte* tile) const;

  /// `floats` is [tokens, dim].
  void encode_keys(std::span<const Half> floats, std::byte* tile) const;
  void encode_values(std::span<const Half> floats, std::byte* tile) const;

  /// One token back (dim floats), fused: fma(code, scale, offset).
  void decode_key(const std::byte* tile, int token, std::span<float> key) const;
  void decode_value(const std::byte* tile, int token, std::span<float> value) const;
};

}  // namespace halftone
