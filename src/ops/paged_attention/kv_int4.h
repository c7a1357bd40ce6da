#pragma once

#include <cstddef>
#include <span>

#include "core/float16.h"

namespace halftone {

/// Keys and values in 4 bits, after KIVI (Liu et al., arXiv:2402.02750): keys have a scale for each channel
/// over the tokens of a tile, since their outliers sit in few channels; values one for each token and
/// kKvInt4Group channels. x = code * scale + minimum, codes 0..15; scale and minimum in f16.
///
/// A tile is one head's [tokens, dim]. Its rows come first, kv_int4_row_bytes(dim) each: in every group of 32
/// channels byte j holds channel j low and channel j + 16 high. Behind them lie scales, then minima:
/// [dim] each of keys, [tokens, groups] each of values.
inline constexpr int kKvInt4Group = 32;

size_t kv_int4_row_bytes(int dim);
/// Of a tile of keys or values, whichever is larger.
size_t kv_int4_tile_bytes(int tokens, int dim);

struct KvInt4Parameters {
  const Half* scales;
  const Half* minima;
};
KvInt4Parameters kv_int4_key_parameters(const std::byte* tile, int tokens, int dim);
KvInt4Parameters kv_int4_value_parameters(const std::byte* tile, int tokens, int dim);

/// `floats` is [tokens, dim].
void encode_kv_int4_keys(std::span<const Half> floats, int tokens, int dim, std::byte* tile);
void encode_kv_int4_values(std::span<const Half> floats, int tokens, int dim, std::byte* tile);

/// One token back, fused: fma(code, scale, minimum).
void decode_kv_int4_key(const std::byte* tile, int tokens, int token, std::span<float> key);
void decode_kv_int4_value(const std::byte* tile, int tokens, int token, std::span<float> value);

}  // namespace halftone
