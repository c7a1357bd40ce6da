#include "scheme/requantize.h"

#include <gtest/gtest.h>
#include <random>

namespace halftone {
namespace {

TEST(FixedMultiplier, MantissaAndShift) {
  EXPECT_EQ(fixed_multiplier(0.5), (FixedMultiplier{1 << 30, 0}));
  EXPECT_EQ(fixed_multiplier(1.0), (FixedMultiplier{1 << 30, 1}));
  EXPECT_EQ(fixed_multiplier(0.234), (FixedMultiplier{2010044695, -2}));
  EXPECT_EQ(fixed_multiplier(1 - 1e-12), (FixedMultiplier{1 << 30, 1}));  // rounds up to 1
  EXPECT_EQ(fixed_multiplier(0), FixedMultiplier{});
  EXPECT_EQ(fixed_multiplier(1e-30), FixedMultiplier{});
  EXPECT_EQ(fixed_multiplier(1e30), (FixedMultiplier{kLargestInt32, 30}));
}

/// gemmlowp's definition, with its nudge and its truncating division.
int32_t doubling_high_by_nudge(int32_t a, int32_t b) {
  const int64_t product = int64_t{a} * b;
  const int64_t nudge = product >= 0 ? int64_t{1} << 30 : 1 - (int64_t{1} << 30);
  return static_cast<int32_t>((product + nudge) / (int64_t{1} << 31));
}

TEST(Requantize, DoublingHighIsGemmlowps) {
  std::mt19937 random(1);
  for (int i = 0; i < 100000; ++i) {
    const auto a = static_cast<int32_t>(random());
    const auto b = static_cast<int32_t>(random() >> 1);
    ASSERT_EQ(rounding_doubling_high(a, b), doubling_high_by_nudge(a, b)) << a << " " << b;
  }
  for (int32_t a : {-3, -1, 0, 1, 3})
    EXPECT_EQ(rounding_doubling_high(a, 1 << 30), doubling_high_by_nudge(a, 1 << 30));
}

TEST(Requantize, HalvesGoAwayFromZeroInTheLastStep) {
  EXPECT_EQ(rounding_divide_by_power_of_two(5, 1), 3);
  EXPECT_EQ(rounding_divide_by_power_of_two(-5, 1), -3);
  EXPECT_EQ(rounding_divide_by_power_of_two(-6, 2), -2);
  EXPECT_EQ(rounding_divide_by_power_of_two(5, 2), 1);
  EXPECT_EQ(rounding_divide_by_power_of_two(7, 0), 7);
  EXPECT_EQ(rounding_divide_by_power_of_two(kLargestInt32, 31), 1);
  EXPECT_EQ(rounding_divide_by_power_of_two(-kLargestInt32 - 1, 31), -1);
}

TEST(Requantize, TheProductIsWithinOneOfTheRealOne) {
  std::mt19937 random(2);
  for (int i = 0; i < 100000; ++i) {
    const auto x = static_cast<int32_t>(random()) >> (random() % 24);
    const double real = std::ldexp(0.5 + (random() % 1000) / 2000.0, -static_cast<int>(random() % 20));
    ASSERT_NEAR(multiply_fixed(x, fixed_multiplier(real)), x * real, 1.0) << x << " " << real;
  }
}

TEST(Requantize, LeftShiftsSaturate) {
  EXPECT_EQ(multiply_fixed(100, fixed_multiplier(6)), 600);
  EXPECT_EQ(multiply_fixed(-100, fixed_multiplier(6)), -600);
  EXPECT_GT(multiply_fixed(1 << 30, fixed_multiplier(64)), 1 << 29);
  EXPECT_LT(multiply_fixed(-(1 << 30), fixed_multiplier(64)), -(1 << 29));
}

}  // namespace
}  // namespace halftone
