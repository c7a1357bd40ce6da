#include "ops/paged_attention/kv_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace halftone {
namespace {

/// The scale of a range of values, as stored.
struct Range {
  Half scale, offset;
  float lowest, highest;  ///< codes

  static Range of(int bits, float low, float high) {
    if (bits == 4) {
      const Half least = to_half(low);
      return {to_half((high - to_float(least)) / 15), least, 0, 15};
    }
    const Half middle = to_half((low + high) / 2);
    const float reach = std::max(high - to_float(middle), to_float(middle) - low);
    return {to_half(reach / 127), middle, -127, 127};
  }
  int encode(float x) const {
    const float step = to_float(scale);
    if (step == 0) return 0;
    return static_cast<int>(std::clamp(std::nearbyint((x - to_float(offset)) / step), lowest, highest));
  }
};

/// Rows of codes, cleared before they are written.
struct Rows {
  const KvCodes& form;
  std::byte* tile;

  void put(int token, int channel, int code) const {
    std::byte* row = tile + static_cast<size_t>(token) * form.row_bytes();
    if (form.bits == 8) {
      row[channel] = static_cast<std::byte>(code);
      return;
    }
    const auto nibble = static_cast<uint8_t>(code);
    row[channel / 32 * 16 + channel % 16] |=
        channel % 32 < 16 ? std::byte{nibble} : std::byte{static_cast<uint8_t>(nibble << 4)};
  }
};

float code_at(const KvCodes& form, const std::byte* row, int channel) {
  if (form.bits == 8) return static_cast<float>(static_cast<int8_t>(row[channel]));
  const auto byte = std::to_integer<int>(row[channel / 32 * 16 + channel % 16]);
  return static_cast<float>(channel % 32 < 16 ? byte & 15 : byte >> 4);
}

size_t rows_bytes(const KvCodes& form) {
  return static_cast<size_t>(form.tokens) * form.row_bytes();
}

size_t value_scales(const KvCodes& form) {
  return static_cast<size_t>(form.tokens) * static_cast<size_t>(form.groups());
}

KvCodes::Parameters parameters(const KvCodes& form, const std::byte* tile, size_t count) {
  const Half* scales = reinterpret_cast<const Half*>(tile + rows_bytes(form));
  return {scales, scales + count};
}

/// Encodes the tokens [t0, t1) and channels [c0, c1) under one scale.
void encode_patch(const KvCodes& form, std::span<const Half> floats, std::byte* tile, Half& scale,
                  Half& offset, int t0, int t1, int c0, int c1) {
  auto at = [&](int t, int c) { return to_float(floats[static_cast<size_t>(t * form.dim + c)]); };
  float low = at(t0, c0), high = low;
  for (int t = t0; t < t1; ++t)
    for (int c = c0; c < c1; ++c) {
      low = std::min(low, at(t, c));
      high = std::max(high, at(t, c));
    }
  const Range range = Range::of(form.bits, low, high);
  scale = range.scale;
  offset = range.offset;
  const Rows rows{form, tile};
  for (int t = t0; t < t1; ++t)
    for (int c = c0; c < c1; ++c) rows.put(t, c, range.encode(at(t, c)));
}

}  // namespace

size_t KvCodes::tile_bytes() const {
  return rows_bytes(*this) + 2 * sizeof(Half) * std::max(static_cast<size_t>(dim), value_scales(*this));
}

KvCodes::Parameters KvCodes::key_parameters(const std::byte* tile) const {
  return parameters(*this, tile, static_cast<size_t>(dim));
}

KvCodes::Parameters KvCodes::value_parameters(const std::byte* tile) const {
  return parameters(*this, tile, value_scales(*this));
}

void KvCodes::encode_keys(std::span<const Half> floats, std::byte* tile) const {
  std::memset(tile, 0, rows_bytes(*this));
  Half* scales = reinterpret_cast<Half*>(tile + rows_bytes(*this));
  Half* offsets = scales + dim;
  for (int c = 0; c < dim; ++c) encode_patch(*this, floats, tile, scales[c], offsets[c], 0, tokens, c, c + 1);
}

void KvCodes::encode_values(std::span<const Half> floats, std::byte* tile) const {
  std::memset(tile, 0, rows_bytes(*this));
  Half* scale = reinterpret_cast<Half*>(tile + rows_bytes(*this));
  Half* offset = scale + value_scales(*this);
  for (int t = 0; t < tokens; ++t)
    for (int c = 0; c < dim; c += kGroup)
      encode_patch(*this, floats, tile, *scale++, *offset++, t, t + 1, c, std::min(c + kGroup, dim));
}

void KvCodes::decode_key(const std::byte* tile, int token, std::span<float> key) const {
  const Parameters from = key_parameters(tile);
  const std::byte* row = tile + static_cast<size_t>(token) * row_bytes();
  for (int c = 0; c < dim; ++c)
    key[static_cast<size_t>(c)] =
        std::fma(code_at(*this, row, c), to_float(from.scales[c]), to_float(from.offsets[c]));
}

void KvCodes::decode_value(const std::byte* tile, int token, std::span<float> value) const {
  const Parameters from = value_parameters(tile);
  const std::byte* row = tile + static_cast<size_t>(token) * row_bytes();
  for (int c = 0; c < dim; ++c) {
    const int group = token * groups() + c / kGroup;
    value[static_cast<size_t>(c)] =
        std::fma(code_at(*this, row, c), to_float(from.scales[group]), to_float(from.offsets[group]));
  }
}

}  // namespace halftone
