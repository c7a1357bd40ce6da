#include "scheme/bf16/rounded_bf16.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

#include "scheme/number_format.h"

namespace halftone {
namespace {

TEST(RoundedBf16, HalfToEven) {
  const std::vector<float> values = {1.0f,
                                     0x1.01p0f,
                                     0x1.03p0f,
                                     -0x1.0101p0f,
                                     0x1.fffffep127f,
                                     std::numeric_limits<float>::infinity(),
                                     std::numeric_limits<float>::quiet_NaN()};
  std::vector<float> rounded(values.size());
  round_to_bf16(values, rounded.data());
  EXPECT_EQ(rounded[0], 1.0f);
  EXPECT_EQ(rounded[1], 1.0f);       // halfway: the even neighbour
  EXPECT_EQ(rounded[2], 0x1.04p0f);  // halfway: the even neighbour
  EXPECT_EQ(rounded[3], -0x1.02p0f);
  EXPECT_EQ(rounded[4], std::numeric_limits<float>::infinity());
  EXPECT_EQ(rounded[5], std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(rounded[6]));
}

TEST(RoundedBf16, IsAnEncodingOfActivationsOnly) {
  EXPECT_EQ(find_number_format("bf16"), rounded_bf16());
  for (const NumberFormat* format : number_formats()) EXPECT_NE(format, rounded_bf16());
  EXPECT_EQ(bf16_activations().str(), "bf16");
  EXPECT_TRUE(is_rounded_bf16(bf16_activations()));
}

}  // namespace
}  // namespace halftone
