#include "scheme/fp8/fp8.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "scheme/rounding.h"

namespace halftone {
namespace {

float number_of(const Fp8Layout& layout, uint32_t code) {
  const uint32_t mantissa_mask = (1u << layout.mantissa_bits) - 1;
  const uint32_t exponent_mask = (1u << layout.exponent_bits) - 1;
  const uint32_t mantissa = code & mantissa_mask;
  const uint32_t exponent = (code >> layout.mantissa_bits) & exponent_mask;
  const float sign = code & 0x80 ? -1.0f : 1.0f;

  if (exponent == exponent_mask) {
    if (layout.has_infinity && mantissa == 0) return sign * std::numeric_limits<float>::infinity();
    if (layout.has_infinity || mantissa == mantissa_mask) return std::numeric_limits<float>::quiet_NaN();
  }
  const uint32_t hidden = exponent == 0 ? 0 : mantissa_mask + 1;
  const int power = std::max(static_cast<int>(exponent), 1) - layout.bias - layout.mantissa_bits;
  return sign * std::ldexp(static_cast<float>(hidden + mantissa), power);
}

}  // namespace

Fp8Format::Fp8Format(const Fp8Layout& layout) : layout_(layout) {
  for (uint32_t code = 0; code < 256; ++code) table_[code] = number_of(layout, code);
}

float Fp8Format::fit_scale(const ValueRange& range, bool) const {
  return range.absmax() / layout_.max;
}

void Fp8Format::encode(std::span<const float> values, const CodeParams& params,
                       std::span<uint8_t> codes) const {
  if (params.scale == 0) {
    std::fill(codes.begin(), codes.end(), uint8_t{0});
    return;
  }
  const float scale = params.scale, max = layout_.max;
  const float smallest_normal = std::ldexp(1.0f, 1 - layout_.bias);
  const float subnormal_units = std::ldexp(1.0f, layout_.bias - 1 + layout_.mantissa_bits);
  const int shift = 23 - layout_.mantissa_bits;
  const uint32_t half = (1u << (shift - 1)) - 1;
  const uint32_t rebias = static_cast<uint32_t>(127 - layout_.bias) << 23;

  for (size_t i = 0; i < values.size(); ++i) {
    const uint32_t pattern = std::bit_cast<uint32_t>(values[i] / scale);
    const uint32_t sign = (pattern >> 24) & 0x80;
    const float unclamped = std::bit_cast<float>(pattern & 0x7fffffff);
    const float magnitude = unclamped < max ? unclamped : max;
    const uint32_t bits = std::bit_cast<uint32_t>(magnitude);
    const uint32_t normal = (bits + half + ((bits >> shift) & 1) - rebias) >> shift;
    const float small = magnitude < smallest_normal ? magnitude : smallest_normal;
    const uint32_t subnormal = static_cast<uint32_t>(round_to_int(small * subnormal_units));
    codes[i] = static_cast<uint8_t>(sign | (magnitude < smallest_normal ? subnormal : normal));
  }
}

void Fp8Format::decode(std::span<const uint8_t> codes, const CodeParams& params,
                       std::span<float> values) const {
  for (size_t i = 0; i < values.size(); ++i) values[i] = table_[codes[i]] * params.scale;
}

}  // namespace halftone
