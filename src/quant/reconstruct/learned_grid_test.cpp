#include "quant/reconstruct/learned_grid.h"

#include <cmath>
#include <gtest/gtest.h>

#include "base/error.h"
#include "op_run.h"

namespace halftone {
namespace {

Encoding integers(const char* format, const Granularity& granularity, bool symmetric) {
  Encoding encoding;
  encoding.format = find_number_format(format);
  encoding.granularity = granularity;
  encoding.symmetric = symmetric;
  encoding.scale_dtype = DType::f32;
  return encoding;
}

std::vector<float> quantized(const LearnedGrid& grid, std::span<const float> offsets) {
  ThreadPool threads(2);
  std::vector<float> values(grid.elements());
  grid.quantize(offsets, values, threads);
  return values;
}

TEST(LearnedGrid, SymmetricReachesTheLowestCodeFromEitherSide) {
  // Group 0: -4 is the farther end, scale 4 / 4; group 1: 6 is, scale -6 / 4.
  const Tensor w = Tensor::from<float>({1, 6}, {-4, 1, 2.6f, 6, -3, 1.4f});
  const LearnedGrid grid(w, integers("int3", Granularity::per_group(3), true), "w");
  EXPECT_EQ(grid.scale(0), 1.0f);
  EXPECT_EQ(grid.scale(1), -1.5f);
  EXPECT_EQ(quantized(grid, {}), (std::vector<float>{-4, 1, 3, 6, -3, 1.5f}));
  const std::vector<float> offsets = {0, 0.6f, -0.2f, 0.4f, 0, 0};
  EXPECT_EQ(quantized(grid, offsets), (std::vector<float>{-4, 2, 2, 6, -3, 1.5f}));
}

TEST(LearnedGrid, ScalesOfEightBitsArePositive) {
  const Tensor w = Tensor::from<float>({2, 2}, {-256, 127, -126, 254});
  LearnedGrid grid(w, integers("int8", Granularity::per_axis(0), true), "w");
  EXPECT_EQ(grid.scale(0), 2.0f);
  EXPECT_EQ(grid.scale(1), 2.0f);
  EXPECT_EQ(quantized(grid, {}), (std::vector<float>{-256, 128, -126, 254}));
  // Beyond the last codes values are -128 and 127 scales, and a scale is 256 / 128 or 254 / 127 of its
  // factor.
  ThreadPool threads(1);
  std::vector<float> low(2), high(2);
  const std::vector<float> far = {-9, 0, 0, 9}, gradient = {1, 0, 0, 1};
  grid.differentiate(gradient, far, {low, high, {}}, threads);
  EXPECT_EQ(low, (std::vector<float>{-128 * 2.0f, 0}));
  EXPECT_EQ(high, (std::vector<float>{0, 127 * 2.0f}));
}

TEST(LearnedGrid, WhatIsTrainedIsWhatIsStored) {
  for (const char* format : {"int2", "int3", "int4", "int8"})
    for (bool symmetric : {true, false})
      for (const Granularity& granularity : {Granularity::per_group(32), Granularity::per_axis(0),
                                             Granularity::per_tensor(), Granularity::per_axis(1)}) {
        Encoding encoding = integers(format, granularity, symmetric);
        encoding.scale_dtype = DType::f16;
        LearnedGrid grid(random_tensor({5, 77}, 1), encoding, "w");
        std::vector<float> low(grid.groups(), 0.9f), high(grid.groups(), 0.8f);
        grid.set_factors(low, high);
        Tensor offsets = random_tensor({5, 77}, 2, 0.2f);
        const auto stored = grid.encode(offsets.span<float>());
        EXPECT_EQ(quantized(grid, offsets.span<float>()), floats(stored->decode())) << encoding.str();
      }
}

// Between the jumps of rounding, values depend smoothly on the factors: through scale (code - zero) with
// codes and zeros as they are. The rest of the gradient is rounding's, which counts as the identity.
TEST(LearnedGrid, GradientsOfAWorkedExample) {
  // Affine 2 bits over [-1, 2]: scale 1, zero 1. 0.6 rounds to 1, slope of scale: 1 - 0.6; 2.6 clips at
  // code 3.
  ThreadPool threads(1);
  const Tensor w = Tensor::from<float>({1, 3}, {-1, 0.6f, 2});
  LearnedGrid grid(w, integers("int2", Granularity::per_tensor(), false), "w");
  const std::vector<float> gradient = {0, 1, 0};
  std::vector<float> low(1), high(1), offsets(3);
  grid.differentiate(gradient, {}, {low, high, offsets}, threads);
  EXPECT_EQ(offsets, (std::vector<float>{0, 1, 0}));
  EXPECT_NEAR(high[0], 0.4 * 2 / 3, 1e-6);  // d scale / d high = max / 3
  EXPECT_NEAR(low[0], 0.4 * 1 / 3, 1e-6);   // d scale / d low = -min / 3

  // Pushed beyond the last code, a value is scale (3 - zero), zero = -low min / scale: 3 scale + low min.
  const std::vector<float> far = {0, 4, 0};
  grid.differentiate(gradient, far, {low, high, offsets}, threads);
  EXPECT_EQ(offsets[1], 0.0f);
  EXPECT_NEAR(high[0], 3.0 * 2 / 3, 1e-6);
  EXPECT_NEAR(low[0], 3.0 * 1 / 3 - 1, 1e-6);
}

TEST(LearnedGrid, DeadGroupsStayZero) {
  ThreadPool threads(1);
  LearnedGrid grid(Tensor::zeros(DType::f32, {2, 8}), integers("int4", Granularity::per_group(8), true), "w");
  const std::vector<float> offsets(16, 0.7f), gradient(16, 1.0f);
  EXPECT_EQ(quantized(grid, offsets), std::vector<float>(16));
  std::vector<float> low(2), high(2), slopes(16, 9.0f);
  grid.differentiate(gradient, offsets, {low, high, slopes}, threads);
  EXPECT_EQ(slopes, std::vector<float>(16));
  EXPECT_EQ(floats(grid.encode(offsets)->decode()), std::vector<float>(16));
}

TEST(LearnedGrid, RefusesWhatHasNoGrid) {
  Encoding encoding = integers("int4", Granularity::per_tensor(), true);
  encoding.format = find_number_format("nf4");
  EXPECT_FALSE(LearnedGrid::handles(encoding));
  EXPECT_THROW(LearnedGrid(random_tensor({2, 8}, 1), encoding, "w"), UnsupportedError);
}

}  // namespace
}  // namespace halftone
