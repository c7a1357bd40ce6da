#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops/storage.h"

namespace halftone {

/// The sum of two numbers in codes, in integers alone: code = clamp((a A + b B + offset) >> shift, 0, 255),
/// with A and B the ratios of scales times 2^shift, the larger of them with 14 bits. Halves go up.
struct CodeSum {
  int16_t a, b;
  int32_t offset;
  int32_t shift;

  CodeSum(const CodeScale& x, const CodeScale& y, const CodeScale& sum) {
    const double first = double{x.scale} / sum.scale, second = double{y.scale} / sum.scale;
    shift = std::clamp(13 - std::ilogb(std::max(first, second)), 1, 22);
    const auto factor = [&](double ratio) {
      return static_cast<int16_t>(std::min(std::nearbyint(std::ldexp(ratio, shift)), 16383.0));
    };
    a = factor(first);
    b = factor(second);
    offset = (sum.zero << shift) + (1 << (shift - 1)) - x.zero * a - y.zero * b;
  }

  /// What `count` stands for before the shift, in numbers: a factor for a code, 0.5 for half of the last bit.
  float stands_for(double count, const CodeScale& sum) const {
    return static_cast<float>(std::ldexp(double{sum.scale} * count, -shift));
  }

  uint8_t operator()(uint8_t x, uint8_t y) const {
    return static_cast<uint8_t>(std::clamp((x * a + y * b + offset) >> shift, 0, 255));
  }
};

/// The same where an input or the sum has wide codes, which need factors of more bits: the larger has 30.
struct WideCodeSum {
  int64_t a, b, offset;
  int32_t shift, lowest, highest;

  WideCodeSum(const CodeScale& x, const CodeScale& y, const CodeScale& sum)
      : lowest(sum.wide() ? -32768 : 0), highest(sum.wide() ? 32767 : 255) {
    const double first = double{x.scale} / sum.scale, second = double{y.scale} / sum.scale;
    shift = std::clamp(29 - std::ilogb(std::max(first, second)), 1, 44);
    const auto factor = [&](double ratio) {
      return static_cast<int64_t>(std::min(std::nearbyint(std::ldexp(ratio, shift)), 0x1p44));
    };
    a = factor(first);
    b = factor(second);
    offset = (int64_t{sum.stored_zero()} << shift) + (int64_t{1} << (shift - 1)) - x.stored_zero() * a -
             y.stored_zero() * b;
  }

  int32_t operator()(int32_t x, int32_t y) const {
    return static_cast<int32_t>(
        std::clamp<int64_t>((x * a + y * b + offset) >> shift, int64_t{lowest}, int64_t{highest}));
  }
};

}  // namespace halftone
