#include "core/float16.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace halftone {
namespace {

TEST(Float16, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Half half{static_cast<uint16_t>(bits)};
    const float value = to_float(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(to_half(value))));
      continue;
    }
    EXPECT_EQ(to_half(value).bits, half.bits);
  }
}

TEST(Float16, HalfRoundsToNearestEven) {
  EXPECT_EQ(to_half(1.0f + 0x1p-11f).bits, to_half(1.0f).bits);
  EXPECT_EQ(to_half(1.0f + 0x1.8p-10f).bits, to_half(1.0f + 0x1p-9f).bits);
  EXPECT_EQ(to_half(65519.0f).bits, to_half(65504.0f).bits);
  EXPECT_EQ(to_half(65520.0f).bits, 0x7c00);
  EXPECT_EQ(to_half(0x1p-25f).bits, 0);
  EXPECT_EQ(to_half(0x1.8p-25f).bits, 1);
  EXPECT_EQ(to_half(-0.0f).bits, 0x8000);
}

TEST(Float16, BFloat16RoundsToNearestEven) {
  EXPECT_EQ(to_bfloat16(1.0f + 0x1p-8f).bits, to_bfloat16(1.0f).bits);
  EXPECT_EQ(to_bfloat16(1.0f + 0x1.8p-7f).bits, to_bfloat16(1.0f + 0x1p-6f).bits);
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::numeric_limits<float>::signaling_NaN()))));
  EXPECT_TRUE(std::isinf(to_float(to_bfloat16(std::numeric_limits<float>::max()))));
}

}  // namespace
}  // namespace halftone
