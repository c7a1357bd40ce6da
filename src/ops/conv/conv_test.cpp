#include "ops/conv/conv.h"

#include <gtest/gtest.h>
#include <numeric>

#include "base/error.h"
#include "op_run.h"
#include "ops/fused_activation.h"

namespace halftone {
namespace {

using Ints = std::vector<int64_t>;

Tensor counting(const Shape& shape) {
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  auto values = tensor.mutable_view().span<float>();
  std::iota(values.begin(), values.end(), 0.0f);
  return tensor;
}

Tensor ones(const Shape& shape) {
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  for (float& x : tensor.mutable_view().span<float>()) x = 1;
  return tensor;
}

TEST(Conv, SumsUnderTheWindow) {
  OpRun run(conv_schema(), {{"pads", Ints{1, 1, 1, 1}}});
  run.input(counting({1, 1, 5, 5})).input(ones({1, 1, 3, 3}));
  EXPECT_EQ(floats(run.reference()[0]),
            (std::vector<float>{12,  21, 27, 33,  24,  33,  54,  63, 72,  51,  63,  99, 108,
                                117, 81, 93, 144, 153, 162, 111, 72, 111, 117, 123, 84}));
}

TEST(Conv, StridesWithUnevenPads) {
  OpRun run(conv_schema(), {{"pads", Ints{1, 0, 1, 0}}, {"strides", Ints{2, 2}}});
  run.input(counting({1, 1, 7, 5})).input(ones({1, 1, 3, 3}));
  EXPECT_EQ(run.site().outputs[0].shape, (Shape{1, 1, 4, 2}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{21, 33, 99, 117, 189, 207, 171, 183}));
}

TEST(Conv, AutoPadPutsTheOddElementWhereItIsAsked) {
  for (const auto& [mode, first] :
       {std::pair{"SAME_UPPER", 0.0f + 1 + 2 + 3}, std::pair{"SAME_LOWER", 0.0f}}) {
    OpRun run(conv_schema(), {{"auto_pad", std::string(mode)}});
    run.input(counting({1, 1, 2, 2})).input(ones({1, 1, 2, 2}));
    EXPECT_EQ(run.site().outputs[0].shape, (Shape{1, 1, 2, 2}));
    EXPECT_EQ(floats(run.reference()[0])[0], first) << mode;
  }
}

TEST(Conv, GroupsSeeTheirOwnChannels) {
  OpRun run(conv_schema(), {{"group", int64_t{2}}});
  run.input(Tensor::from<float>({1, 4, 1}, {1, 2, 3, 4}))
      .input(Tensor::from<float>({4, 2, 1}, {1, 0, 0, 1, 1, 1, 10, 0}))
      .input(Tensor::from<float>({4}, {0, 0, 0, 100}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{1, 2, 7, 130}));
}

TEST(Conv, GainsComeLast) {
  Attributes attributes;
  set_fused_activation(attributes, {FusedActivation::Kind::relu});
  OpRun run(conv_schema(), attributes);
  run.input(Tensor::from<float>({1, 1, 2}, {3, -2})).input(Tensor::from<float>({2, 1, 1}, {1, -1}));
  run.absent().absent().input(Tensor::from<float>({2}, {10, NAN}));
  const std::vector<float> y = floats(run.reference()[0]);
  EXPECT_EQ(y[0], 30);
  EXPECT_EQ(y[1], 0);
  EXPECT_TRUE(std::isnan(y[2]) && std::isnan(y[3]));
  OpRun wrong(conv_schema(), attributes);
  wrong.input(ones({1, 1, 2})).input(ones({2, 1, 1})).absent().absent().input(ones({1, 2, 1}));
  EXPECT_THROW(wrong.site(), InputError);
}

TEST(Conv, DilatesInOneAndThreeDimensions) {
  OpRun line(conv_schema(), {{"dilations", Ints{3}}});
  line.input(counting({1, 1, 5})).input(Tensor::from<float>({1, 1, 2}, {1, 10}));
  EXPECT_EQ(floats(line.reference()[0]), (std::vector<float>{30, 41}));
  OpRun cube(conv_schema(), {{"dilations", Ints{2, 1, 1}}});
  cube.input(counting({1, 1, 3, 2, 2})).input(ones({1, 1, 2, 2, 2}));
  EXPECT_EQ(floats(cube.reference()[0]), (std::vector<float>{0 + 1 + 2 + 3 + 8 + 9 + 10 + 11}));
}

TEST(Conv, AddsTheResidualBeforeTheActivation) {
  OpRun run(conv_schema(),
            {{"activation", std::string("clip")}, {"activation_a", -1.0f}, {"activation_b", 5.0f}});
  run.input(Tensor::from<float>({1, 1, 3}, {-4, 1, 4}))
      .input(Tensor::from<float>({1, 1, 1}, {1}))
      .absent()
      .input(Tensor::from<float>({1, 1, 3}, {2, 2, 2}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{-1, 3, 5}));
}

TEST(Conv, KeepsASymbolUnderAWindowThatKeepsSizes) {
  const int64_t symbol = Shape::symbol_dim(0);
  OpRun same(conv_schema(), {{"pads", Ints{1, 1, 1, 1}}});
  same.type(DType::f32, {symbol, 3, symbol, 8}).type(DType::f32, {4, 3, 3, 3});
  EXPECT_EQ(same.site().outputs[0].shape, (Shape{symbol, 4, symbol, 8}));
  OpRun strided(conv_schema(), {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}});
  strided.type(DType::f32, {symbol, 3, symbol, 8}).type(DType::f32, {4, 3, 3, 3});
  EXPECT_EQ(strided.site().outputs[0].shape, (Shape{symbol, 4, Shape::kUnknownDim, 4}));
}

TEST(Conv, RefusesWhatDoesNotFit) {
  auto refuses = [](Attributes attributes, const Shape& x, const Shape& w) {
    OpRun run(conv_schema(), std::move(attributes));
    run.type(DType::f32, x).type(DType::f32, w);
    EXPECT_THROW(run.site(), InputError) << x.str() << w.str();
  };
  refuses({}, {1, 3, 8, 8}, {4, 2, 3, 3});
  refuses({{"group", int64_t{1} << 62}}, {1, 0, 8, 8}, {0, 0, 3, 3});
  refuses({}, {1, 3, 8}, {4, 3, 3, 3});
  refuses({}, {1, 3, 2, 8}, {4, 3, 3, 3});
  refuses({{"group", int64_t{3}}}, {1, 3, 8, 8}, {4, 1, 3, 3});
  refuses({{"strides", Ints{0, 1}}}, {1, 3, 8, 8}, {4, 3, 3, 3});
  refuses({{"pads", Ints{-1, 0, 0, 0}}}, {1, 3, 8, 8}, {4, 3, 3, 3});
  refuses({{"kernel_shape", Ints{1, 1}}}, {1, 3, 8, 8}, {4, 3, 3, 3});
  refuses({{"auto_pad", std::string("SOME")}}, {1, 3, 8, 8}, {4, 3, 3, 3});
  refuses({{"activation", std::string("step")}}, {1, 3, 8, 8}, {4, 3, 3, 3});
}

TEST(Conv, CountsAMultiplyAddAsTwo) {
  OpRun run(conv_schema(), {{"group", int64_t{2}}});
  run.type(DType::f32, {1, 4, 6, 6}).type(DType::f32, {8, 2, 3, 3}).type(DType::f32, {8});
  EXPECT_EQ(conv_schema().cost(run.site()).flops, 8 * 16 * (2 * 2 * 9 + 1));
}

}  // namespace
}  // namespace halftone
