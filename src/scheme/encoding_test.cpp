#include "scheme/encoding.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

TEST(Encoding, PrintsWhatItIs) {
  Encoding encoding{.format = find_number_format("int4"), .granularity = Granularity::per_group(32)};
  EXPECT_EQ(encoding.str(), "int4 g32");
  encoding.symmetric = false;
  EXPECT_EQ(encoding.str(), "int4 g32 affine");
  encoding.real_minimum = true;
  EXPECT_EQ(encoding.str(), "int4 g32 affine-minimum");

  encoding = {.format = find_number_format("int8"), .granularity = Granularity::per_axis(0)};
  EXPECT_EQ(encoding.str(), "int8 per-channel");
  encoding.scale_dtype = DType::f32;
  EXPECT_EQ(encoding.str(), "int8 per-channel f32-scales");
  encoding.granularity = Granularity::per_axis(1);
  EXPECT_EQ(encoding.str(), "int8 per-axis1 f32-scales");

  encoding.granularity = Granularity::per_token();
  encoding.timing = Timing::dynamic;
  EXPECT_EQ(encoding.str(), "int8 per-token dynamic");

  encoding = {.format = find_number_format("nf4"), .granularity = Granularity::per_group(64)};
  encoding.double_quant_block = 256;
  EXPECT_EQ(encoding.str(), "nf4 g64 dq256");
}

TEST(ScaleGrid, LiesOverTheMatrix) {
  auto expect = [](const Granularity& granularity, const Shape& shape, ScaleGrid expected) {
    const ScaleGrid grid = scale_grid(granularity, shape);
    EXPECT_EQ(grid.rows, expected.rows) << shape.str();
    EXPECT_EQ(grid.groups, expected.groups) << shape.str();
    EXPECT_EQ(grid.group, expected.group) << shape.str();
  };
  expect(Granularity::per_tensor(), {6, 172}, {1, 1, 172});
  expect(Granularity::per_token(), {6, 172}, {6, 1, 172});
  expect(Granularity::per_group(32), {6, 172}, {6, 6, 32});
  expect(Granularity::per_group(32), {6, 4, 3, 3}, {6, 2, 32});
  expect(Granularity::per_group(64), {50}, {1, 1, 64});
  expect(Granularity::per_axis(0), {6, 4, 3, 3}, {6, 1, 36});
  expect(Granularity::per_axis(1), {6, 172}, {1, 172, 1});
  expect(Granularity::per_axis(-1), {6, 172}, {1, 172, 1});
  expect(Granularity::per_axis(0), {7}, {1, 7, 1});
  expect(Granularity::per_group(32), {0, 64}, {0, 2, 32});
  expect(Granularity::per_group(32), {4, 0}, {4, 0, 32});

  EXPECT_THROW(scale_grid(Granularity::per_axis(1), {6, 4, 3, 3}), UnsupportedError);
  EXPECT_THROW(scale_grid(Granularity::per_axis(2), {6, 4}), UnsupportedError);
  EXPECT_THROW(scale_grid(Granularity::per_group(0), {6, 4}), UnsupportedError);
  EXPECT_THROW(scale_grid(Granularity::per_group(-32), {6, 4}), UnsupportedError);
  EXPECT_THROW(scale_grid(Granularity::per_tensor(), {Shape::symbol_dim(0), 4}), UnsupportedError);
  EXPECT_THROW(matrix_extent({0, int64_t{1} << 40, int64_t{1} << 40}), UnsupportedError);
}

TEST(BitsPerElement, DoubleQuantizationCostsAnEighthOfABit) {
  Encoding encoding{.format = find_number_format("nf4"), .granularity = Granularity::per_group(64)};
  EXPECT_DOUBLE_EQ(bits_per_element(encoding, {4096, 4096}), 4.25);
  encoding.double_quant_block = 256;
  EXPECT_NEAR(bits_per_element(encoding, {4096, 4096}), 4 + 0.127, 0.0005);
}

TEST(BitsPerElement, CountsAllParts) {
  Encoding encoding{.format = find_number_format("int4"), .granularity = Granularity::per_group(32)};
  EXPECT_DOUBLE_EQ(bits_per_element(encoding, {64, 128}), 4.5);
  encoding.symmetric = false;
  EXPECT_DOUBLE_EQ(bits_per_element(encoding, {64, 128}), 4.75);
  encoding.real_minimum = true;
  EXPECT_DOUBLE_EQ(bits_per_element(encoding, {64, 128}), 5);
  EXPECT_EQ(bits_per_element(encoding, {0, 128}), 0);
}

}  // namespace
}  // namespace halftone
