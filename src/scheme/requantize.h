#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace halftone {

/// How exact 32-bit sums become codes: by a product in f32, or in integers alone.
enum class Requantization : uint8_t { floating, fixed };

/// A positive real number as mantissa * 2^(shift - 31), the mantissa in [2^30, 2^31), as gemmlowp has it
/// (Jacob et al., arXiv:1712.05877, section 2.2). 0 has mantissa 0.
struct FixedMultiplier {
  int32_t mantissa = 0;
  int32_t shift = 0;  ///< in [-31, 30]; smaller numbers become 0, larger ones the largest

  friend bool operator==(const FixedMultiplier&, const FixedMultiplier&) = default;
};

inline constexpr int32_t kLargestInt32 = 0x7fffffff;

inline FixedMultiplier fixed_multiplier(double real) {
  if (!(real > 0)) return {};
  int shift;
  const double fraction = std::frexp(real, &shift);
  int64_t mantissa = std::llround(fraction * 2147483648.0);
  if (mantissa == int64_t{1} << 31) {
    mantissa /= 2;
    ++shift;
  }
  if (shift < -31) return {};
  if (shift > 30) return {kLargestInt32, 30};
  return {static_cast<int32_t>(mantissa), shift};
}

/// a * b / 2^31 to nearest, halves up. (gemmlowp's SaturatingRoundingDoublingHighMul; it saturates only for
/// the two smallest numbers, and a mantissa is not negative.)
inline int32_t rounding_doubling_high(int32_t a, int32_t b) {
  return static_cast<int32_t>((int64_t{a} * b + (int64_t{1} << 30)) >> 31);
}

/// x / 2^exponent to nearest, halves away from zero; exponent in [0, 31].
inline int32_t rounding_divide_by_power_of_two(int32_t x, int32_t exponent) {
  const int32_t mask = static_cast<int32_t>((int64_t{1} << exponent) - 1);
  const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + ((x & mask) > threshold ? 1 : 0);
}

/// x times the real number. A left shift comes first and saturates.
inline int32_t multiply_fixed(int32_t x, FixedMultiplier by) {
  const int32_t left = std::max(by.shift, 0);
  const int32_t limit = kLargestInt32 >> left;
  const int32_t shifted = static_cast<int32_t>(int64_t{std::clamp(x, -limit, limit)} * (int64_t{1} << left));
  return rounding_divide_by_power_of_two(rounding_doubling_high(shifted, by.mantissa),
                                         std::max(-by.shift, 0));
}

}  // namespace halftone
