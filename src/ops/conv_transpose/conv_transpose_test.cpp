#include "ops/conv_transpose/conv_transpose.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "op_run.h"
#include "ops/conv/conv.h"

namespace halftone {
namespace {

using Ints = std::vector<int64_t>;

TEST(ConvTranspose, AddsEachWindow) {
  OpRun run(conv_transpose_schema());
  run.input(Tensor::from<float>({1, 1, 3}, {0, 1, 2}))
      .input(Tensor::from<float>({1, 2, 3}, {1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(floats(run.reference()[0]), (std::vector<float>{0, 1, 3, 3, 2, 0, 1, 3, 3, 2}));
}

TEST(ConvTranspose, SizesFollowPadsPaddingAndTheShapeAsked) {
  auto shape = [](Attributes attributes) {
    OpRun run(conv_transpose_schema(), std::move(attributes));
    run.type(DType::f32, {1, 1, 3, 3}).type(DType::f32, {1, 2, 3, 3});
    return run.site().outputs[0].shape;
  };
  EXPECT_EQ(shape({{"strides", Ints{3, 2}}, {"pads", Ints{1, 2, 1, 2}}}), (Shape{1, 2, 7, 3}));
  EXPECT_EQ(shape({{"strides", Ints{3, 2}}, {"output_padding", Ints{1, 1}}}), (Shape{1, 2, 10, 8}));
  EXPECT_EQ(shape({{"strides", Ints{3, 2}}, {"output_shape", Ints{10, 8}}}), (Shape{1, 2, 10, 8}));
  EXPECT_EQ(shape({{"strides", Ints{2, 2}}, {"auto_pad", std::string("SAME_LOWER")}}), (Shape{1, 2, 6, 6}));
  EXPECT_EQ(shape({{"dilations", Ints{2, 2}}}), (Shape{1, 2, 7, 7}));
}

/// <conv(x), y> = <x, conv_transpose(y)>: what makes it the transpose.
TEST(ConvTranspose, IsTheTransposeOfConv) {
  const Attributes attributes{
      {"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 1, 2}}, {"dilations", Ints{1, 2}}, {"group", int64_t{2}}};
  const Tensor x = random_tensor({2, 4, 7, 6}, 1), w = random_tensor({6, 2, 3, 3}, 2);
  OpRun forward(conv_schema(), attributes);
  const Tensor cx = forward.input(x).input(w).reference()[0];
  const Tensor y = random_tensor(cx.shape(), 3);
  OpRun backward(conv_transpose_schema(), attributes);
  const Tensor ty = backward.input(y).input(w).reference()[0];
  ASSERT_EQ(ty.shape(), x.shape());
  auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
  };
  EXPECT_NEAR(dot(floats(cx), floats(y)), dot(floats(x), floats(ty)), 1e-3);
}

TEST(ConvTranspose, RefusesWhatDoesNotFit) {
  OpRun channels(conv_transpose_schema());
  channels.type(DType::f32, {1, 3, 8}).type(DType::f32, {4, 2, 3});
  EXPECT_THROW(channels.site(), InputError);
  OpRun bias(conv_transpose_schema());
  bias.type(DType::f32, {1, 4, 8}).type(DType::f32, {4, 2, 3}).type(DType::f32, {4});
  EXPECT_THROW(bias.site(), InputError);
  OpRun groups(conv_transpose_schema(), {{"group", int64_t{1} << 62}});
  groups.type(DType::f32, {1, 0, 8}).type(DType::f32, {0, 2, 3});
  EXPECT_THROW(groups.site(), InputError);
  OpRun pads(conv_transpose_schema(), {{"pads", Ints{9, 9}}});
  pads.type(DType::f32, {1, 4, 3}).type(DType::f32, {4, 2, 3});
  EXPECT_THROW(pads.site(), InputError);
  OpRun asked(conv_transpose_schema(), {{"output_shape", Ints{-5}}});
  asked.type(DType::f32, {1, 4, Shape::symbol_dim(0)}).type(DType::f32, {4, 2, 3});
  EXPECT_THROW(asked.site(), InputError);
}

}  // namespace
}  // namespace halftone
