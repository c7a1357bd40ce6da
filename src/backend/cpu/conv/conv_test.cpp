#include "ops/conv/conv.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"
#include "ops/fused_activation.h"

namespace halftone {
namespace {

using Ints = std::vector<int64_t>;

const Storage kPlanar{};
const Storage kLast{Storage::Order::channels_last, {}};

struct Case {
  Shape x, w;
  Attributes attributes = {};
  FusedActivation activation = {};
  bool bias = true;
  bool residual = false;
};

/// Every kernel of the name's prefix against the reference: within the bound of a sum of as many roundings
/// (where sums are mixed of those around, of the largest), and the same bits from one thread and from two.
void expect_close(const Case& test, std::string_view prefix, const Storage& input) {
  Attributes attributes = test.attributes;
  set_fused_activation(attributes, test.activation);
  auto fill = [&](OpRun& run, bool sizes) {
    auto tensor = [&](const Shape& shape, unsigned seed) {
      Tensor made = random_tensor(shape, seed);
      if (sizes)
        for (float& v : made.mutable_view().span<float>()) v = std::fabs(v);
      return made;
    };
    run.stored(tensor(test.x, 1), input).constant(Constant(tensor(test.w, 2)));
    if (test.bias)
      run.constant(Constant(tensor({test.w[0]}, 3)));
    else
      run.absent();
    if (test.residual) {
      OpRun shape(conv_schema(), test.attributes);
      shape.type(DType::f32, test.x).type(DType::f32, test.w);
      run.stored(tensor(shape.site().outputs[0].shape, 4), kLast);
    }
    run.store_outputs({kLast});
  };
  OpRun run(conv_schema(), attributes), size(conv_schema(), test.attributes);
  fill(run, false);
  fill(size, true);
  const std::vector<float> expected = floats(run.reference()[0]), sizes = floats(size.reference()[0]);
  const ConvExtent extent = conv_extent(run.site());
  const bool mixed = prefix.starts_with("conv_winograd_");
  const float largest = *std::max_element(sizes.begin(), sizes.end());
  const float roundings = static_cast<float>(extent.group_inputs * extent.window.taps() + 12);
  int kernels = 0;
  for (const Kernel* kernel : cpu_kernels("Conv")) {
    if (!kernel->name.starts_with(prefix)) continue;
    ++kernels;
    ThreadPool one(1), two(2);
    const std::vector<float> y = floats(run_kernel(*kernel, run, one)[0]);
    for (size_t i = 0; i < y.size(); ++i)
      ASSERT_NEAR(y[i], expected[i], roundings * 0x1p-23f * ((mixed ? largest : sizes[i]) + 1))
          << kernel->name << " " << test.x.str() << test.w.str() << " at " << i;
    EXPECT_EQ(floats(run_kernel(*kernel, run, two)[0]), y) << kernel->name;
  }
  EXPECT_GT(kernels, 0);
}

/// What the first kernel of the name's prefix says.
Refusal refusal_of(std::string_view prefix, const Case& test) {
  OpRun run(conv_schema(), test.attributes);
  run.stored(random_tensor(test.x, 1), kLast).constant(Constant(random_tensor(test.w, 2)));
  run.store_outputs({kLast});
  for (const Kernel* kernel : cpu_kernels("Conv"))
    if (kernel->name.starts_with(prefix)) return kernel->supports(run.site());
  return "there is none";
}

TEST(ConvFloat, PointwiseOfAnyWidth) {
  for (int64_t inputs : {1, 5, 16, 33})
    for (int64_t outputs : {1, 8, 15, 16, 17, 31, 32, 40, 58, 65})
      expect_close({{1, inputs, 5, 7}, {outputs, inputs, 1, 1}}, "conv_float_", kLast);
}

TEST(ConvFloat, WindowsStridesPadsAndDilations) {
  const Shape x{2, 6, 11, 9};
  expect_close({x, {20, 6, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}}, "conv_float_", kLast);
  expect_close({x, {20, 6, 3, 3}, {{"pads", Ints{1, 0, 2, 1}}, {"strides", Ints{2, 3}}}}, "conv_float_",
               kLast);
  expect_close({x, {7, 6, 3, 2}, {{"dilations", Ints{2, 3}}, {"pads", Ints{4, 4, 4, 4}}}}, "conv_float_",
               kLast);
  expect_close({x, {7, 6, 1, 1}, {{"strides", Ints{2, 2}}}}, "conv_float_", kLast);
  expect_close({x, {7, 6, 1, 1}, {{"pads", Ints{1, 1, 1, 1}}}}, "conv_float_", kLast);
  expect_close({x, {7, 6, 11, 9}}, "conv_float_", kLast);
  expect_close({x, {7, 6, 5, 5}, {{"auto_pad", std::string("SAME_LOWER")}, {"strides", Ints{2, 2}}}},
               "conv_float_", kLast);
  expect_close({{3, 6, 40}, {9, 6, 5}, {{"pads", Ints{2, 2}}}}, "conv_float_", kLast);
}

TEST(ConvFloat, UprightLines) {
  expect_close({{2, 20, 31, 1}, {24, 20, 5, 1}, {{"pads", Ints{1, 0, 2, 0}}}}, "conv_float_", kLast);
  expect_close({{2, 6, 31, 1}, {8, 3, 4, 1}, {{"strides", Ints{3, 2}}, {"group", int64_t{2}}}}, "conv_float_",
               kLast);
  expect_close({{1, 6, 9, 1}, {9, 6, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}}, "conv_float_", kLast);
}

TEST(ConvFloat, PaddedPointwise) {
  const Ints all{1, 1, 1, 1};
  expect_close({{2, 6, 5, 7}, {40, 6, 1, 1}, {{"pads", Ints{0, 2, 1, 0}}}, {FusedActivation::Kind::silu}},
               "conv_float_", kLast);
  expect_close({{1, 6, 5, 7}, {20, 6, 1, 1}, {{"pads", all}, {"strides", Ints{2, 3}}}}, "conv_float_", kLast);
  expect_close({{1, 6, 5, 7}, {20, 3, 1, 1}, {{"pads", all}, {"group", int64_t{2}}}}, "conv_float_", kLast);
  expect_close({{1, 6, 5, 7}, {20, 6, 1, 1}, {{"pads", all}}, {}, true, true}, "conv_float_", kLast);
}

TEST(ConvFloat, WeightsBeyondANearCache) {
  expect_close({{1, 130, 15, 15}, {300, 130, 1, 1}}, "conv_float_", kLast);
  expect_close({{1, 130, 9, 9}, {300, 130, 1, 1}, {{"pads", Ints{1, 1, 1, 1}}}}, "conv_float_", kLast);
  expect_close({{1, 40, 14, 13}, {120, 40, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}}, "conv_float_", kLast);
}

TEST(ConvFloat, Groups) {
  expect_close({{1, 12, 6, 7}, {30, 4, 3, 3}, {{"group", int64_t{3}}, {"pads", Ints{1, 1, 1, 1}}}},
               "conv_float_", kLast);
  expect_close({{1, 12, 6, 7}, {24, 6, 1, 1}, {{"group", int64_t{2}}}}, "conv_float_", kLast);
}

TEST(ConvFloat, Epilogues) {
  using Kind = FusedActivation::Kind;
  for (const FusedActivation& activation : {FusedActivation{},
                                            {Kind::relu},
                                            {Kind::clip, 0, 6},
                                            {Kind::leaky_relu, 0.1f},
                                            {Kind::sigmoid},
                                            {Kind::silu},
                                            {Kind::hard_sigmoid, 0.2f, 0.5f},
                                            {Kind::hard_swish},
                                            {Kind::tanh},
                                            {Kind::gelu},
                                            {Kind::gelu_tanh}})
    for (bool residual : {false, true}) {
      expect_close(
          {{1, 3, 5, 6}, {20, 3, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}, activation, !residual, residual},
          "conv_float_", kLast);
      expect_close(
          {{1, 3, 5, 6}, {20, 3, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}, activation, !residual, residual},
          "conv_planar_", kPlanar);
      expect_close({{1, 20, 5, 6},
                    {20, 1, 3, 3},
                    {{"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{20}}},
                    activation,
                    !residual,
                    residual},
                   "conv_depthwise_", kLast);
    }
}

TEST(ConvPlanar, EdgesAndStrides) {
  for (int64_t columns : {3, 8, 29, 113}) {
    const Shape x{2, 3, 9, columns};
    expect_close({x, {20, 3, 3, 3}}, "conv_planar_", kPlanar);
    expect_close({x, {20, 3, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}}, "conv_planar_", kPlanar);
    expect_close({x, {33, 3, 3, 3}, {{"pads", Ints{0, 1, 2, 0}}, {"strides", Ints{2, 2}}}}, "conv_planar_",
                 kPlanar);
    expect_close({x, {5, 3, 7, 7}, {{"pads", Ints{3, 3, 3, 3}}, {"strides", Ints{2, 2}}}}, "conv_planar_",
                 kPlanar);
    expect_close({x, {5, 3, 2, 2}, {{"pads", Ints{4, 4, 4, 4}}, {"dilations", Ints{2, 5}}}}, "conv_planar_",
                 kPlanar);
  }
  expect_close({{1, 3, 32, 48}, {40, 3, 16, 16}, {{"strides", Ints{16, 16}}}}, "conv_planar_", kPlanar);
  expect_close({{2, 2, 50}, {9, 2, 5}, {{"pads", Ints{2, 2}}}}, "conv_planar_", kPlanar);
}

TEST(ConvDepthwise, WindowsOfAnyWidth) {
  for (int64_t channels : {1, 7, 16, 24, 58}) {
    auto attributes = [&](Attributes made) {
      made.set("group", channels);
      return made;
    };
    for (const Shape& x : {Shape{1, channels, 1, 1}, Shape{2, channels, 6, 13}}) {
      expect_close({x, {channels, 1, 3, 3}, attributes({{"pads", Ints{1, 1, 1, 1}}})}, "conv_depthwise_",
                   kLast);
      expect_close(
          {x, {channels, 1, 3, 3}, attributes({{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}})},
          "conv_depthwise_", kLast);
      expect_close({x, {channels, 1, 5, 5}, attributes({{"pads", Ints{2, 2, 2, 2}}})}, "conv_depthwise_",
                   kLast);
      expect_close(
          {x, {channels, 1, 3, 3}, attributes({{"pads", Ints{4, 2, 4, 2}}, {"dilations", Ints{2, 2}}})},
          "conv_depthwise_", kLast);
    }
    expect_close({{1, channels, 9}, {channels, 1, 3}, attributes({})}, "conv_depthwise_", kLast);
  }
}

TEST(ConvDepthwise, LargeWindows) {
  for (int64_t channels : {3, 8, 41, 80}) {
    auto attributes = [&](Attributes made) {
      made.set("group", channels);
      return made;
    };
    for (int64_t columns : {1, 4, 9, 14}) {
      const Shape x{2, channels, 7, columns};
      expect_close({x, {channels, 1, 5, 5}, attributes({{"pads", Ints{2, 2, 2, 2}}}), {}, true, true},
                   "conv_depthwise_", kLast);
      expect_close(
          {x, {channels, 1, 7, 7}, attributes({{"pads", Ints{3, 3, 3, 3}}, {"strides", Ints{2, 2}}})},
          "conv_depthwise_", kLast);
      expect_close(
          {x, {channels, 1, 2, 4}, attributes({{"pads", Ints{0, 5, 1, 6}}, {"dilations", Ints{3, 2}}})},
          "conv_depthwise_", kLast);
    }
  }
}

/// Slices of channels, in bands of rows.
TEST(ConvDepthwise, WindowsWhoseInputIsCopied) {
  for (int64_t channels : {16, 33, 72}) {
    auto attributes = [&](Attributes made) {
      made.set("group", channels);
      return made;
    };
    const Shape w{channels, 1, 7, 7};
    expect_close({{2, channels, 9, 30}, w, attributes({{"pads", Ints{3, 3, 3, 3}}})}, "conv_depthwise_",
                 kLast);
    expect_close(
        {{1, channels, 25, 150}, w, attributes({{"pads", Ints{1, 0, 4, 7}}, {"strides", Ints{2, 1}}})},
        "conv_depthwise_", kLast);
    expect_close({{1, channels, 12, 5},
                  w,
                  attributes({{"pads", Ints{6, 9, 6, 9}}, {"dilations", Ints{2, 3}}}),
                  {FusedActivation::Kind::silu}},
                 "conv_depthwise_", kLast);
    expect_close({{1, channels, 8, 9}, w, attributes({}), {FusedActivation::Kind::hard_swish}},
                 "conv_depthwise_", kLast);
    expect_close({{1, channels, 40}, {channels, 1, 41}, attributes({{"pads", Ints{20, 20}}})},
                 "conv_depthwise_", kLast);
  }
}

TEST(ConvWinograd, TilesThatEndWithinAndBeyondThePicture) {
  for (int64_t channels : {12, 16, 33})
    for (int64_t outputs : {12, 16, 17, 32, 50, 72}) {
      expect_close({{1, channels, 12, 16}, {outputs, channels, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}},
                   "conv_winograd_float_", kLast);
      expect_close({{2, channels, 11, 9}, {outputs, channels, 3, 3}}, "conv_winograd_float_", kLast);
    }
  const Shape w{20, 12, 3, 3};
  expect_close({{1, 12, 13, 27}, w, {{"pads", Ints{0, 1, 2, 2}}}}, "conv_winograd_float_", kLast);
  expect_close({{1, 12, 27, 26}, w, {{"pads", Ints{3, 7, 4, 5}}}}, "conv_winograd_float_", kLast);
  expect_close({{1, 12, 2, 2}, w, {{"pads", Ints{3, 3, 3, 3}}}}, "conv_winograd_float_", kLast);
  expect_close({{1, 12, 80, 81}, w, {{"pads", Ints{1, 1, 1, 1}}}}, "conv_winograd_float_", kLast);
}

TEST(ConvWinograd, Epilogues) {
  using Kind = FusedActivation::Kind;
  for (const FusedActivation& activation :
       {FusedActivation{}, {Kind::relu}, {Kind::clip, 0, 6}, {Kind::leaky_relu, 0.1f}, {Kind::silu}})
    for (bool residual : {false, true})
      expect_close(
          {{1, 16, 13, 13}, {40, 16, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}, activation, !residual, residual},
          "conv_winograd_float_", kLast);
}

TEST(ConvWinograd, IsLeftWhereItDoesNotPay) {
  const auto refusal = [](const Case& test) { return refusal_of("conv_winograd_float_", test); };
  EXPECT_EQ(refusal({{1, 16, 9, 9}, {16, 16, 3, 3}, {{"strides", Ints{2, 2}}}}),
            "not 3x3 with stride 1 and dilation 1");
  EXPECT_EQ(refusal({{1, 8, 9, 9}, {16, 8, 3, 3}}), "8 channels, 16 outputs");
  EXPECT_EQ(refusal({{1, 256, 34, 34}, {256, 256, 3, 3}}),
            "256 channels and 256 outputs make too many transformed weights");
  EXPECT_EQ(refusal({{1, 16, 3, 3}, {16, 16, 3, 3}}), "1 x 1 outputs leave tiles half empty");
  EXPECT_EQ(refusal({{1, 16, 10, 10}, {16, 16, 3, 3}}), "");
}

TEST(ConvWinogradLine, TapsPadsAndDilations) {
  for (int64_t taps : {3, 4, 5})
    for (int64_t columns : {18, 41, 130}) {
      expect_close({{2, 16, columns}, {17, 16, taps}, {{"pads", Ints{taps / 2, taps / 2}}}},
                   "conv_winograd_line_", kLast);
      expect_close({{1, 21, columns}, {48, 21, taps}, {{"dilations", Ints{3}}}}, "conv_winograd_line_",
                   kLast);
    }
  const Shape w{40, 19, 3};
  expect_close({{1, 19, 90}, w, {{"pads", Ints{0, 5}}, {"dilations", Ints{16}}}}, "conv_winograd_line_",
               kLast);
  expect_close({{1, 19, 90}, w, {{"pads", Ints{70, 0}}, {"dilations", Ints{32}}}}, "conv_winograd_line_",
               kLast);
}

TEST(ConvWinogradLine, AlongEitherAxisOfAPicture) {
  expect_close({{2, 16, 5, 21}, {24, 16, 1, 3}, {{"pads", Ints{0, 1, 0, 1}}}}, "conv_winograd_line_", kLast);
  expect_close({{2, 16, 41, 1}, {24, 16, 5, 1}, {{"pads", Ints{2, 0, 1, 0}}}}, "conv_winograd_line_", kLast);
}

TEST(ConvWinogradLine, Epilogues) {
  using Kind = FusedActivation::Kind;
  for (const FusedActivation& activation :
       {FusedActivation{}, {Kind::relu}, {Kind::clip, 0, 6}, {Kind::leaky_relu, 0.1f}, {Kind::silu}})
    for (bool residual : {false, true})
      expect_close({{1, 16, 50}, {40, 16, 3}, {{"pads", Ints{1, 1}}}, activation, !residual, residual},
                   "conv_winograd_line_", kLast);
}

TEST(ConvWinogradLine, IsLeftWhereItDoesNotPay) {
  const auto refusal = [](const Case& test) { return refusal_of("conv_winograd_line_", test); };
  EXPECT_EQ(refusal({{1, 16, 40}, {16, 16, 3}, {{"strides", Ints{2}}}}), "not of 3 to 5 taps with stride 1");
  EXPECT_EQ(refusal({{1, 16, 40}, {16, 16, 6}}), "not of 3 to 5 taps with stride 1");
  EXPECT_EQ(refusal({{1, 16, 40, 2}, {16, 16, 3, 1}}), "not along one axis");
  EXPECT_EQ(refusal({{1, 16, 40, 40}, {16, 16, 3, 3}}), "not along one axis");
  EXPECT_EQ(refusal({{1, 8, 40}, {16, 8, 3}}), "8 channels, 16 outputs");
  EXPECT_EQ(refusal({{1, 512, 40}, {512, 512, 3}}),
            "512 channels and 512 outputs make too many transformed weights");
  EXPECT_EQ(refusal({{1, 16, 7}, {16, 16, 3}}), "5 outputs leave tiles half empty");
  EXPECT_EQ(refusal({{1, 16, 10}, {16, 16, 3}}), "");
}

TEST(ConvKernels, SayWhyTheyRefuse) {
  OpRun run(conv_schema());
  run.input(random_tensor({1, 8, 4, 4}, 1)).constant(Constant(random_tensor({4, 8, 1, 1}, 2)));
  for (const Kernel* kernel : cpu_kernels("Conv"))
    EXPECT_NE(kernel->supports(run.site()), "") << kernel->name;
}

}  // namespace
}  // namespace halftone
