#include "formats/ggml_round.h"

#include <algorithm>
#include <cmath>

#include "core/float16.h"

namespace halftone {
namespace {

float in_f16(float value) {
  return to_float(to_half(value));
}

/// 1 / scale; 0 where that is no number, as of blocks of zeros.
float inverse(float scale) {
  const float result = 1 / scale;
  return std::isfinite(result) ? result : 0;
}

/// `code` cut off to a whole number in 0..15.
uint8_t nibble(float code) {
  return static_cast<uint8_t>(std::clamp(code, 0.0f, 15.0f));
}

}  // namespace

void round_q4_0(std::span<const float> values, const GgmlBlock& block) {
  const float largest =
      *std::ranges::max_element(values, [](float a, float b) { return std::abs(a) < std::abs(b); });
  const float scale = largest / -8, factor = inverse(scale);
  block.scales[0] = in_f16(scale);
  for (size_t i = 0; i < values.size(); ++i) {
    const float steps = values[i] * factor;
    block.codes[i] = nibble(steps + 8.5f);
  }
}

void round_q4_1(std::span<const float> values, const GgmlBlock& block) {
  const auto [least, largest] = std::ranges::minmax(values);
  const float scale = (largest - least) / 15, factor = inverse(scale);
  block.scales[0] = in_f16(scale);
  block.minima[0] = in_f16(least);
  for (size_t i = 0; i < values.size(); ++i) {
    const float steps = (values[i] - least) * factor;
    block.codes[i] = nibble(steps + 0.5f);
  }
}

void round_q8_0(std::span<const float> values, const GgmlBlock& block) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  const float scale = largest / 127, factor = inverse(scale);
  block.scales[0] = in_f16(scale);
  for (size_t i = 0; i < values.size(); ++i)
    block.codes[i] = static_cast<uint8_t>(128 + static_cast<int>(std::round(values[i] * factor)));
}

}  // namespace halftone
