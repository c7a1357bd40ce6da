#include "scheme/int_affine/int_affine.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace halftone {
namespace {

struct Coded {
  CodeParams params;
  std::vector<uint8_t> codes;
  std::vector<float> back;
};

Coded code(const char* format_name, std::vector<float> values, bool symmetric) {
  const NumberFormat& format = *find_number_format(format_name);
  Coded coded{format.fit(values, symmetric), std::vector<uint8_t>(values.size()),
              std::vector<float>(values.size())};
  format.encode(values, coded.params, coded.codes);
  format.decode(coded.codes, coded.params, coded.back);
  return coded;
}

TEST(IntAffine, WorkedExampleAffine) {
  const Coded coded = code("int8", {-1.8f, -1.0f, 0, 0.5f}, false);
  EXPECT_FLOAT_EQ(coded.params.scale, 0.00901960784f);
  EXPECT_EQ(coded.params.zero, 200);
  EXPECT_EQ(coded.codes, (std::vector<uint8_t>{0, 89, 200, 255}));
  const float expected[] = {-1.80392157f, -1.00117647f, 0, 0.49607843f};
  for (size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(coded.back[i], expected[i]);
}

TEST(IntAffine, WorkedExampleSymmetric) {
  const Coded coded = code("int8", {-0.39f, 4.00f, 3.72f, -3.00f, 1.56f}, true);
  EXPECT_FLOAT_EQ(coded.params.scale, 4.0f / 127);
  EXPECT_EQ(coded.codes, (std::vector<uint8_t>{128 - 12, 128 + 127, 128 + 118, 128 - 95, 128 + 50}));
}

TEST(IntAffine, WorkedExampleAffineOfTheSame) {
  const Coded coded = code("int8", {-0.39f, 4.00f, 3.72f, -3.00f, 1.56f}, false);
  EXPECT_FLOAT_EQ(coded.params.scale, 7.0f / 255);
  EXPECT_EQ(coded.params.zero, 128 - 19);
  EXPECT_EQ(coded.codes, (std::vector<uint8_t>{128 - 33, 255, 128 + 117, 0, 128 + 38}));
  const float expected[] = {-0.3843f, 4.0078f, 3.7333f, -2.9922f, 1.5647f};
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(coded.back[i], expected[i], 6e-5f);
}

TEST(IntAffine, WorkedExampleOneOutlierRuinsAGroup) {
  const Coded coded = code("int8", {-1.8f, -1.0f, 0, 0.5f, 1000}, false);
  EXPECT_EQ(coded.codes, (std::vector<uint8_t>{0, 0, 0, 0, 255}));
}

TEST(IntAffine, TiesGoToEven) {
  const float values[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f};
  CodeParams params;
  params.zero = 8;
  uint8_t codes[6];
  find_number_format("int4")->encode(values, params, codes);
  const int expected[] = {8, 10, 10, 8, 6, 6};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(codes[i], expected[i]);
}

TEST(IntAffine, SymmetricCodesKeepTheLowestPatternFree) {
  CodeParams params;
  params.zero = 8;
  params.lowest = 1;
  const float values[] = {-100, 100, -7.6f};
  uint8_t codes[3];
  find_number_format("int4")->encode(values, params, codes);
  EXPECT_EQ(codes[0], 1);
  EXPECT_EQ(codes[1], 15);
  EXPECT_EQ(codes[2], 1);
}

TEST(IntAffine, AffineRangesHoldZero) {
  for (const auto& values : {std::vector<float>{3, 4, 5}, std::vector<float>{-3, -4, -5}}) {
    const Coded coded = code("int4", values, false);
    EXPECT_EQ(coded.params.zero, values[0] > 0 ? 0 : 15);
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(coded.back[i], values[i], coded.params.scale / 2 * 1.001f);
  }
}

TEST(IntAffine, RealMinimum) {
  CodeParams params;
  params.real_minimum = true;
  params.minimum = 2.25f;
  params.scale = 0.5f;
  const float values[] = {2.25f, 2.8f, 100, -100};
  uint8_t codes[4];
  float back[4];
  find_number_format("int4")->encode(values, params, codes);
  find_number_format("int4")->decode(codes, params, back);
  EXPECT_EQ(codes[1], 1);
  EXPECT_EQ(codes[2], 15);
  EXPECT_EQ(codes[3], 0);
  EXPECT_EQ(back[1], 2.75f);
}

TEST(IntAffine, HugeRangesDoNotOverflow) {
  const Coded coded = code("int8", {-3e38f, 3e38f}, false);
  EXPECT_TRUE(std::isfinite(coded.params.scale));
  EXPECT_NEAR(coded.back[1] / 3e38f, 1, 0.01);
}

}  // namespace
}  // namespace halftone
