#include "ops/paged_attention/kv_int4.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"

namespace halftone {
namespace {

int groups_of(int dim) {
  return ceil_div(dim, kKvInt4Group);
}

size_t rows_bytes(int tokens, int dim) {
  return static_cast<size_t>(tokens) * kv_int4_row_bytes(dim);
}

KvInt4Parameters parameters(const std::byte* tile, int tokens, int dim, size_t count) {
  const Half* scales = reinterpret_cast<const Half*>(tile + rows_bytes(tokens, dim));
  return {scales, scales + count};
}

/// The affine scale of a range, as stored.
struct Range {
  Half scale, minimum;

  static Range of(float low, float high) {
    const Half minimum = to_half(low);
    return {to_half((high - to_float(minimum)) / 15), minimum};
  }
  uint8_t encode(float x) const {
    const float step = to_float(scale);
    if (step == 0) return 0;
    return static_cast<uint8_t>(std::clamp(std::nearbyint((x - to_float(minimum)) / step), 0.0f, 15.0f));
  }
};

void put_code(std::byte* row, int channel, uint8_t code) {
  std::byte& byte = row[channel / 32 * 16 + channel % 16];
  byte |= channel % 32 < 16 ? std::byte{code} : std::byte{static_cast<uint8_t>(code << 4)};
}

float code_at(const std::byte* row, int channel) {
  const auto byte = std::to_integer<int>(row[channel / 32 * 16 + channel % 16]);
  return static_cast<float>(channel % 32 < 16 ? byte & 15 : byte >> 4);
}

}  // namespace

size_t kv_int4_row_bytes(int dim) {
  return static_cast<size_t>(groups_of(dim)) * kKvInt4Group / 2;
}

size_t kv_int4_tile_bytes(int tokens, int dim) {
  const size_t parameters = std::max<size_t>(
      static_cast<size_t>(dim), static_cast<size_t>(tokens) * static_cast<size_t>(groups_of(dim)));
  return rows_bytes(tokens, dim) + 2 * sizeof(Half) * parameters;
}

KvInt4Parameters kv_int4_key_parameters(const std::byte* tile, int tokens, int dim) {
  return parameters(tile, tokens, dim, static_cast<size_t>(dim));
}

KvInt4Parameters kv_int4_value_parameters(const std::byte* tile, int tokens, int dim) {
  return parameters(tile, tokens, dim, static_cast<size_t>(tokens) * static_cast<size_t>(groups_of(dim)));
}

namespace {

/// Encodes the tokens [t0, t1) and channels [c0, c1) under one scale.
void encode_patch(std::span<const Half> floats, int dim, std::byte* tile, Half& scale, Half& minimum, int t0,
                  int t1, int c0, int c1) {
  auto at = [&](int t, int c) { return to_float(floats[static_cast<size_t>(t * dim + c)]); };
  float low = at(t0, c0), high = low;
  for (int t = t0; t < t1; ++t)
    for (int c = c0; c < c1; ++c) {
      low = std::min(low, at(t, c));
      high = std::max(high, at(t, c));
    }
  const Range range = Range::of(low, high);
  scale = range.scale;
  minimum = range.minimum;
  for (int t = t0; t < t1; ++t)
    for (int c = c0; c < c1; ++c)
      put_code(tile + static_cast<size_t>(t) * kv_int4_row_bytes(dim), c, range.encode(at(t, c)));
}

}  // namespace

void encode_kv_int4_keys(std::span<const Half> floats, int tokens, int dim, std::byte* tile) {
  std::memset(tile, 0, rows_bytes(tokens, dim));
  Half* scales = reinterpret_cast<Half*>(tile + rows_bytes(tokens, dim));
  Half* minima = scales + dim;
  for (int c = 0; c < dim; ++c) encode_patch(floats, dim, tile, scales[c], minima[c], 0, tokens, c, c + 1);
}

void encode_kv_int4_values(std::span<const Half> floats, int tokens, int dim, std::byte* tile) {
  std::memset(tile, 0, rows_bytes(tokens, dim));
  Half* scale = reinterpret_cast<Half*>(tile + rows_bytes(tokens, dim));
  Half* minimum = scale + tokens * groups_of(dim);
  for (int t = 0; t < tokens; ++t)
    for (int c = 0; c < dim; c += kKvInt4Group)
      encode_patch(floats, dim, tile, *scale++, *minimum++, t, t + 1, c, std::min(c + kKvInt4Group, dim));
}

void decode_kv_int4_key(const std::byte* tile, int tokens, int token, std::span<float> key) {
  const int dim = static_cast<int>(key.size());
  const KvInt4Parameters from = kv_int4_key_parameters(tile, tokens, dim);
  const std::byte* row = tile + static_cast<size_t>(token) * kv_int4_row_bytes(dim);
  for (int c = 0; c < dim; ++c)
    key[static_cast<size_t>(c)] =
        std::fma(code_at(row, c), to_float(from.scales[c]), to_float(from.minima[c]));
}

void decode_kv_int4_value(const std::byte* tile, int tokens, int token, std::span<float> value) {
  const int dim = static_cast<int>(value.size());
  const KvInt4Parameters from = kv_int4_value_parameters(tile, tokens, dim);
  const std::byte* row = tile + static_cast<size_t>(token) * kv_int4_row_bytes(dim);
  for (int c = 0; c < dim; ++c) {
    const int group = token * groups_of(dim) + c / kKvInt4Group;
    value[static_cast<size_t>(c)] =
        std::fma(code_at(row, c), to_float(from.scales[group]), to_float(from.minima[group]));
  }
}

}  // namespace halftone
