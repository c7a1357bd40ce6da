#include "scheme/dynamic.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <vector>

#include "scheme/rounding.h"

namespace halftone {
namespace {

TEST(Rounding, EqualsNearbyint) {
  for (float x = -300; x <= 300; x += 0.0625f)
    EXPECT_EQ(round_to_int(x), static_cast<int32_t>(std::nearbyint(x))) << x;
  for (float x : {0x1p22f, -0x1p22f, 0x1.fffffp21f, 1e-30f, -0.0f})
    EXPECT_EQ(round_to_int(x), static_cast<int32_t>(std::nearbyint(x))) << x;
}

TEST(Dynamic, FollowsTheFormula) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (size_t size : {1u, 2u, 31u, 64u, 172u, 1000u}) {
    std::vector<float> row(size);
    for (float& x : row) x = normal(random) * 3;
    std::vector<int8_t> codes(size);
    float scale = -1;
    quantize_token(row, codes, scale);

    float absmax = 0;
    for (float x : row) absmax = std::max(absmax, std::abs(x));
    EXPECT_EQ(scale, absmax / 127.0f);
    const float inverse = 127.0f / absmax;
    for (size_t i = 0; i < size; ++i) {
      const float product = row[i] * inverse;
      EXPECT_EQ(codes[i], static_cast<int>(std::nearbyint(product)));
      EXPECT_LE(std::abs(codes[i] * scale - row[i]), scale * 0.5001f);
    }
  }
}

TEST(Dynamic, TheLargestValueHas127WhateverTheRounding) {
  std::mt19937 random(2);
  std::uniform_real_distribution<float> exponent(-110, 126);
  for (int i = 0; i < 10000; ++i) {
    const float x = std::exp2(exponent(random));
    const float row[2] = {x, -x};
    int8_t codes[2];
    float scale;
    quantize_token(row, codes, scale);
    EXPECT_EQ(codes[0], 127);
    EXPECT_EQ(codes[1], -127);
  }
}

TEST(Dynamic, TinyRowsCountAsZero) {
  int8_t codes[3] = {1, 1, 1};
  float scale = 1;
  const float zero[3] = {0, -0.0f, 0};
  quantize_token(zero, codes, scale);
  EXPECT_EQ(scale, 0);
  EXPECT_EQ(codes[0], 0);

  const float below[3] = {0x1.fp-121f, -1e-40f, 0};
  quantize_token(below, codes, scale);
  EXPECT_EQ(scale, 0);
  EXPECT_EQ(codes[0], 0);

  const float smallest[3] = {kSmallestAbsmax, 0, 0};
  quantize_token(smallest, codes, scale);
  EXPECT_EQ(codes[0], 127);
  EXPECT_GT(scale, 0);
}

TEST(Dynamic, NotANumberShows) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    const float row[3] = {1, bad, 2};
    int8_t codes[3] = {1, 1, 1};
    float scale = 1;
    quantize_token(row, codes, scale);
    EXPECT_TRUE(std::isnan(scale));
    for (int8_t code : codes) EXPECT_EQ(code, 0);
  }
}

TEST(Dynamic, GroupsAreRowsOfTheirOwn) {
  std::vector<float> row(172);
  for (size_t i = 0; i < row.size(); ++i)
    row[i] = std::sin(static_cast<float>(i)) * static_cast<float>(i / 32 + 1);
  std::vector<int8_t> codes(172), expected(172);
  std::vector<float> scales(6);
  quantize_token_groups(row, 32, codes, scales);
  for (size_t g = 0; g < 6; ++g) {
    const size_t count = g == 5 ? 12 : 32;
    float scale;
    quantize_token(std::span(row).subspan(g * 32, count), std::span(expected).subspan(g * 32, count), scale);
    EXPECT_EQ(scales[g], scale);
  }
  EXPECT_EQ(codes, expected);
}

TEST(Dynamic, AnEmptyRowIsFine) {
  float scale = 1;
  quantize_token({}, {}, scale);
  EXPECT_EQ(scale, 0);
}

}  // namespace
}  // namespace halftone
