#include "ops/grid_sample/grid_sample.h"

#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

/// The row (1, 2, 3, 4) read at x, in the middle of a picture of one row.
std::vector<float> read_at(std::initializer_list<float> xs, Attributes attributes) {
  Tensor grid = Tensor::zeros(DType::f32, {1, 1, static_cast<int64_t>(xs.size()), 2});
  size_t i = 0;
  for (float x : xs) grid.mutable_view().span<float>()[2 * i++] = x;
  OpRun run(grid_sample_schema(), std::move(attributes));
  run.input(Tensor::from<float>({1, 1, 1, 4}, {1, 2, 3, 4})).input(grid);
  return floats(run.reference()[0]);
}

TEST(GridSample, ReadsBetweenElements) {
  // Element centres lie at -0.75, -0.25, 0.25 and 0.75, or at -1, -1/3, 1/3 and 1 with aligned corners.
  EXPECT_EQ(read_at({-0.75f, 0, 1}, {}), (std::vector<float>{1, 2.5f, 2}));
  EXPECT_EQ(read_at({-1, 0, 1}, {{"align_corners", int64_t{1}}}), (std::vector<float>{1, 2.5f, 4}));
  EXPECT_EQ(read_at({-0.7f, 0, 3}, {{"mode", std::string("nearest")}}), (std::vector<float>{1, 3, 0}));
  const auto cubic = read_at({0}, {{"mode", std::string("cubic")}, {"padding_mode", std::string("border")}});
  EXPECT_FLOAT_EQ(cubic[0], 2.5f);
}

TEST(GridSample, ReadsOutsideByItsPadding) {
  EXPECT_EQ(read_at({-2, 2}, {{"padding_mode", std::string("border")}}), (std::vector<float>{1, 4}));
  EXPECT_EQ(read_at({-1.25f, 1.75f}, {{"padding_mode", std::string("reflection")}}),
            (std::vector<float>{1, 3}));
  EXPECT_EQ(read_at({-2, NAN, 1e30f}, {}), (std::vector<float>{0, 0, 0}));
}

TEST(GridSample, ChecksShapes) {
  const int64_t batch = Shape::symbol_dim(0);
  OpRun run(grid_sample_schema());
  run.type(DType::f32, {batch, 3, 5, 6}).type(DType::f32, {batch, 7, 8, 2});
  EXPECT_EQ(run.site().outputs[0].shape, (Shape{batch, 3, 7, 8}));
  OpRun misfit(grid_sample_schema());
  EXPECT_THROW(misfit.type(DType::f32, {1, 3, 5, 6}).type(DType::f32, {1, 7, 8, 3}).site(), InputError);
  EXPECT_THROW(read_at({0}, {{"mode", std::string("quintic")}}), InputError);
}

}  // namespace
}  // namespace halftone
