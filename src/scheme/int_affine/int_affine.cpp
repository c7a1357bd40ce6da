#include "scheme/int_affine/int_affine.h"

#include <algorithm>
#include <cmath>

#include "scheme/rounding.h"

namespace halftone {

float IntAffineFormat::fit_scale(const ValueRange& range, bool symmetric) const {
  if (symmetric) return range.absmax() / static_cast<float>((1 << (bits_ - 1)) - 1);
  return static_cast<float>((double{range.max} - double{range.min}) / ((1 << bits_) - 1));
}

int32_t IntAffineFormat::zero_code(const ValueRange& range, float scale, bool symmetric) const {
  if (symmetric) return 1 << (bits_ - 1);
  if (scale == 0) return 0;
  const double exact = std::nearbyint(-double{range.min} / scale);
  return static_cast<int32_t>(std::clamp(exact, 0.0, static_cast<double>((1 << bits_) - 1)));
}

void IntAffineFormat::encode(std::span<const float> values, const CodeParams& params,
                             std::span<uint8_t> codes) const {
  const int32_t zero = params.real_minimum ? 0 : params.zero;
  if (params.scale == 0) {
    std::fill(codes.begin(), codes.end(), static_cast<uint8_t>(zero));
    return;
  }
  const float scale = params.scale, minimum = params.real_minimum ? params.minimum : 0.0f;
  const float low = static_cast<float>(params.lowest - zero);
  const float high = static_cast<float>((1 << bits_) - 1 - zero);
  for (size_t i = 0; i < values.size(); ++i) {
    const float exact = (values[i] - minimum) / scale;
    const float above = exact < low ? low : exact;
    const float inside = above > high ? high : above;
    codes[i] = static_cast<uint8_t>(round_to_int(inside) + zero);
  }
}

void IntAffineFormat::decode(std::span<const uint8_t> codes, const CodeParams& params,
                             std::span<float> values) const {
  const float scale = params.scale;
  if (params.real_minimum) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(codes[i]) * scale + params.minimum;
    return;
  }
  const int32_t zero = params.zero;
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(codes[i] - zero) * scale;
}

}  // namespace halftone
