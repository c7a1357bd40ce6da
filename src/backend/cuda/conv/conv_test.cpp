#include "ops/conv/conv.h"

#include <gtest/gtest.h>

#include "device_run.h"
#include "int8_weights.h"
#include "ops/conv/conv_integer.h"

namespace halftone::cuda {
namespace {

const Storage kPlanar{}, kLast{Storage::Order::channels_last, {}};

struct Case {
  Shape x, w;
  int64_t group = 1;
  std::vector<int64_t> strides = {1, 1}, pads = {0, 0, 0, 0}, dilations = {1, 1};
  FusedActivation activation = {};
  bool bias = true, residual = false;
  bool gains = false;
  Storage in = kLast, out = kLast;
  DType type = DType::f32;
  float large = 0;  ///< what every 37th number of X is multiplied by, of all where `all_large`
  bool all_large = false;

  std::string str() const {
    return fmt::format("x {} w {} group {} stride {} activation {}", x.str(), w.str(), group, strides[0],
                       static_cast<int>(activation.kind));
  }
  Attributes attributes() const {
    Attributes all = {{"group", group}, {"strides", strides}, {"pads", pads}, {"dilations", dilations}};
    set_fused_activation(all, activation);
    return all;
  }
};

Tensor absolute(Tensor tensor) {
  for (float& x : tensor.mutable_view().span<float>()) x = std::fabs(x);
  return tensor;
}

/// With x and w rounded to f16, a sum of K products errs by 2 * 2^-11 of the sum of their magnitudes; summing
/// in f32 by K 2^-24 of it, and the end by a few roundings of the value. No activation here is steeper than
/// 1.2. The f32 kernels lack the first part.
void check(const char* kernel, const Case& c, float operand_error, const Chip* chip = nullptr) {
  const auto fill = [&](OpRun& run, bool magnitudes) {
    const auto tensor = [&](const Shape& shape, unsigned seed, float spread) {
      const Tensor made = random_tensor(shape, seed, spread);
      return as_type(magnitudes ? absolute(made) : made, c.type);
    };
    Tensor x = tensor(c.x, 1, 1);
    if (c.large > 0) {
      const auto numbers = x.mutable_view().span<float>();
      for (size_t i = c.all_large ? 0 : 5; i < numbers.size(); i += c.all_large ? 1 : 37)
        numbers[i] *= c.large;
    }
    run.stored(x, c.in);
    Tensor w = tensor(c.w, 2, 0.3f);
    if (c.large > 0 && magnitudes)
      for (float& weight : w.mutable_view().span<float>()) weight += 0x1p-13f;
    run.constant(Constant(w));
    if (c.bias)
      run.constant(Constant(tensor({c.w[0]}, 3, 1)));
    else
      run.absent();
    if (c.residual) {
      OpRun sized(conv_schema(), c.attributes());
      sized.type(DType::f32, c.x).type(DType::f32, c.w);
      run.stored(tensor(sized.site().outputs[0].shape, 4, 1), c.out);
    }
    run.store_outputs({c.out});
  };
  Case linear = c;
  linear.activation = {};
  OpRun run(conv_schema(), c.attributes()), magnitude(conv_schema(), linear.attributes());
  fill(run, false);
  fill(magnitude, true);
  HostDevice host;
  if (chip) host.set_chip(*chip);
  const auto found = floats((chip ? run_on_device(cuda_kernel(kernel), run, host)
                                  : run_on_test_device(cuda_kernel(kernel), run))[0]),
             expected = floats(run.reference()[0]), sizes = floats(magnitude.reference()[0]);
  const float terms = static_cast<float>(c.w.elements() / c.w[0]) + 8;
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found[i], expected[i],
                1.2f * (operand_error + terms * 0x1p-24f) * sizes[i] + 1e-6f +
                    rounded_apart(c.type) * std::fabs(expected[i]))
        << kernel << ", " << c.str() << ", element " << i;
}
constexpr float kHalfError = 0x1p-10f + 0x1p-21f;

using Kind = FusedActivation::Kind;

TEST(CudaConv, TensorCoresStayWithinTheBoundOfF16) {
  const std::vector<Case> cases = {
      {.x = {1, 16, 13, 13}, .w = {40, 16, 1, 1}},
      {.x = {1, 3, 9, 11}, .w = {24, 3, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .in = kPlanar},
      {.x = {2, 12, 9, 7}, .w = {17, 12, 3, 3}, .pads = {1, 1, 1, 1}, .residual = true},
      {.x = {1, 58, 5, 11}, .w = {70, 58, 1, 1}, .activation = {Kind::relu}, .bias = false},
      {.x = {1, 7, 9, 9},
       .w = {9, 7, 5, 3},
       .strides = {3, 2},
       .pads = {2, 1, 2, 1},
       .in = kPlanar,
       .out = kPlanar},
      {.x = {1, 8, 8, 8},
       .w = {33, 8, 3, 3},
       .pads = {2, 2, 2, 2},
       .dilations = {2, 2},
       .activation = {Kind::silu}},
      {.x = {3, 8, 4, 5},
       .w = {24, 4, 3, 3},
       .group = 2,
       .pads = {1, 1, 1, 1},
       .activation = {Kind::hard_swish}},
      {.x = {1, 20, 1, 1}, .w = {100, 20, 1, 1}, .activation = {Kind::clip, -1, 6}},
      {.x = {2, 5, 9}, .w = {10, 5, 3}, .strides = {2}, .pads = {1, 1}, .dilations = {1}},
      // As rows of a Gemm.
      {.x = {1, 32, 5, 6}, .w = {20, 32, 3, 3}, .pads = {1, 1, 1, 1}, .activation = {Kind::silu}},
      {.x = {2, 64, 7, 5}, .w = {33, 64, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .residual = true},
      {.x = {1, 96, 4, 5}, .w = {17, 96, 1, 2}, .bias = false},
      {.x = {2, 32, 9}, .w = {10, 32, 3}, .strides = {1}, .pads = {2, 2}, .dilations = {2}},
  };
  for (const Case& c : cases) check("conv_f16", c, kHalfError);
}

/// Operands of 16 bits are what they are; beside an activation of 16 bits the sum of f32 alone errs.
TEST(CudaConv, TakesNumbersOfSixteenBits) {
  for (DType type : {DType::f16, DType::bf16}) {
    for (Case c : std::vector<Case>{
             {.x = {1, 16, 13, 13}, .w = {40, 16, 1, 1}},
             {.x = {1, 3, 9, 11}, .w = {24, 3, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .in = kPlanar},
             {.x = {2, 10, 9, 7}, .w = {17, 10, 3, 3}, .pads = {1, 1, 1, 1}, .residual = true},
             {.x = {1, 7, 9, 9}, .w = {9, 7, 5, 3}, .pads = {2, 1, 2, 1}, .activation = {Kind::silu}},
             {.x = {3, 16, 4, 5}, .w = {24, 8, 3, 3}, .group = 2, .pads = {1, 1, 1, 1}, .out = kPlanar},
             {.x = {1, 32, 5, 6}, .w = {20, 32, 3, 3}, .pads = {1, 1, 1, 1}, .activation = {Kind::silu}},
             {.x = {2, 64, 7, 5},
             .w = {33, 64, 3, 3},
             .strides = {2, 2},
             .pads = {1, 1, 1, 1},
             .residual = true}}) {
      c.type = type;
      check("conv_f16", c, 0);
    }
    for (const Shape& x : {Shape{1, 8, 9, 9}, Shape{2, 6, 5, 7}})
      check(
          "conv_depthwise",
          {.x = x, .w = {x[1], 1, 3, 3}, .group = x[1], .pads = {1, 1, 1, 1}, .residual = true, .type = type},
          0);
  }
}

TEST(CudaConv, WindowsByWarpgroups) {
  const Chip hopper{90, 3, 227 << 10};
  check("conv_f16",
        {.x = {1, 32, 7, 6}, .w = {20, 32, 3, 3}, .pads = {1, 1, 1, 1}, .residual = true, .type = DType::f16},
        0, &hopper);
  check("conv_f16", {.x = {1, 32, 7, 6}, .w = {20, 32, 3, 3}, .pads = {1, 1, 1, 1}, .residual = true},
        kHalfError, &hopper);
  check("conv_f16", {.x = {3, 64, 9, 9}, .w = {17, 64, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
        kHalfError, &hopper);
}

/// Windows with numbers beyond f16's range keep the bound, the others beside them too. Small weights count
/// beside such numbers: one below 2^-14 of the power of two of its output errs by 2^-25 of that.
TEST(CudaConv, LargeActivationsStayFinite) {
  const std::vector<Case> cases = {
      {.x = {1, 16, 13, 13}, .w = {40, 16, 1, 1}},
      {.x = {1, 3, 9, 11}, .w = {24, 3, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .in = kPlanar},
      {.x = {2, 12, 9, 7}, .w = {17, 12, 3, 3}, .pads = {1, 1, 1, 1}, .residual = true},
      {.x = {1, 58, 5, 11}, .w = {70, 58, 1, 1}, .activation = {Kind::relu}, .bias = false},
      {.x = {1, 7, 9, 9}, .w = {9, 7, 5, 3}, .strides = {3, 2}, .pads = {2, 1, 2, 1}, .out = kPlanar},
      {.x = {1, 8, 8, 8}, .w = {33, 8, 3, 3}, .pads = {2, 2, 2, 2}, .dilations = {2, 2}},
      {.x = {3, 8, 4, 5}, .w = {24, 4, 3, 3}, .group = 2, .pads = {1, 1, 1, 1}},
      {.x = {2, 5, 9}, .w = {10, 5, 3}, .strides = {2}, .pads = {1, 1}, .dilations = {1}},
      // As rows of a Gemm.
      {.x = {1, 32, 15, 16},
       .w = {20, 32, 3, 3},
       .pads = {1, 1, 1, 1},
       .activation = {Kind::leaky_relu, 0.1f}},
      {.x = {2, 64, 7, 5}, .w = {33, 64, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .residual = true},
      {.x = {1, 96, 4, 5}, .w = {273, 96, 1, 2}, .bias = false},
      {.x = {2, 32, 9}, .w = {10, 32, 3}, .strides = {1}, .pads = {2, 2}, .dilations = {2}},
  };
  const Chip ampere{80, 3, 163 << 10}, hopper{90, 3, 227 << 10};
  for (Case c : cases)
    for (const auto& [large, all] : {std::pair{3e5f, true}, {1e8f, false}}) {
      c.large = large;
      c.all_large = all;
      check("conv_f16", c, kHalfError, &ampere);
      if (c.x[1] % 32 == 0) check("conv_f16", c, kHalfError, &hopper);
    }
  for (int64_t channels : {5, 16})
    check("conv_depthwise",
          {.x = {2, channels, 7, 6}, .w = {channels, 1, 3, 3}, .group = channels, .large = 1e8f}, 0);
}

TEST(CudaConv, InfinityAndNaNStayWhereTheyAre) {
  for (const float odd : {INFINITY, NAN}) {
    Tensor x = random_tensor({1, 32, 9, 9}, 1);
    x.mutable_view().span<float>()[7] = odd;
    OpRun run(conv_schema(), {});
    run.stored(x, kLast).constant(Constant(random_tensor({20, 32, 3, 3}, 2, 0.3f)));
    run.store_outputs({kLast});
    const auto found = floats(run_on_test_device(cuda_kernel("conv_f16"), run)[0]),
               expected = floats(run.reference()[0]);
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(std::isfinite(found[i]), std::isfinite(expected[i])) << i;
      if (std::isfinite(expected[i])) {
        ASSERT_NEAR(found[i], expected[i], 0.1f) << i;
      }
    }
  }
}

TEST(CudaConv, OneChannelAGroup) {
  for (int64_t channels : {5, 16, 58})
    for (int64_t stride : {1, 2})
      check("conv_depthwise",
            {.x = {2, channels, 7, 6},
             .w = {channels, 1, 3, 3},
             .group = channels,
             .strides = {stride, stride},
             .pads = {1, 1, 1, 1},
             .activation = {Kind::relu},
             .residual = stride == 1},
            0);
}

TEST(CudaConv, AnythingInF32) {
  const std::vector<Case> cases = {
      {.x = {1, 6, 5, 6}, .w = {4, 3, 3, 3}, .group = 2, .pads = {1, 1, 1, 1}, .residual = true},
      {.x = {1, 4, 5, 6}, .w = {4, 1, 3, 3}, .group = 4, .in = kPlanar, .out = kPlanar},
      {.x = {2, 3, 7}, .w = {5, 3, 3}, .strides = {2}, .pads = {1, 1}, .dilations = {1}},
      {.x = {1, 2, 4, 5, 3},
       .w = {3, 2, 2, 3, 2},
       .strides = {1, 2, 1},
       .pads = {0, 1, 1, 0, 1, 1},
       .dilations = {2, 1, 1}},
  };
  for (const Case& c : cases) check("conv_plain", c, 0);
}

const CodeScale kInput{0.03f, 113};

/// Makes the input that `run` has an int8 of each picture's own scale, and adds weights.
void dynamic_codes(OpRun& run, const Shape& weights) {
  run.encoded_use({.format = find_number_format("int8"),
                   .granularity = Granularity::per_token(),
                   .timing = Timing::dynamic,
                   .scale_dtype = DType::f32});
  run.constant(int8_weights(weights, 2));
}

/// Bit for bit.
void check_codes(const char* kernel, const Case& c, const char* how, bool to_floats = false) {
  Attributes attributes = c.attributes();
  attributes.set("requantization", std::string(how));
  OpRun run(conv_schema(), attributes);
  run.stored(random_tensor(c.x, 1, 1.5f), {c.in.order, kInput}).constant(int8_weights(c.w, 2));
  if (c.bias)
    run.constant(Constant(random_tensor({c.w[0]}, 3)));
  else if (c.residual || c.gains)
    run.absent();
  if (c.residual)
    run.stored(random_tensor({c.x[0], c.w[0], c.x[2], c.x[3]}, 4, 2), {c.out.order, {{0.02f, 99}}});
  if (c.gains) {
    Tensor gains = absolute(random_tensor({c.w[0]}, 5, 2));
    for (float& gain : gains.mutable_view().span<float>()) gain += 0.1f;
    run.absent().constant(Constant(std::move(gains)));
  }
  const double deviation = 0.3 * std::sqrt(static_cast<double>(c.w.elements() / c.w[0]));
  const CodeScale out = fit_codes(static_cast<float>(-2 * deviation), static_cast<float>(3 * deviation));
  run.store_outputs({{c.out.order, to_floats ? std::nullopt : std::optional(out)}});
  EXPECT_EQ(floats(run_on_test_device(cuda_kernel(kernel), run)[0]), floats(run.reference()[0]))
      << kernel << ", " << c.str() << ", " << how;
}

TEST(CudaConvCodes, EqualsTheReference) {
  const std::vector<Case> cases = {
      {.x = {1, 32, 9, 9}, .w = {70, 32, 1, 1}},
      {.x = {1, 3, 9, 11}, .w = {24, 3, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
      {.x = {1, 3, 6, 5}, .w = {9, 3, 3, 3}, .pads = {1, 1, 1, 1}, .in = kPlanar, .out = kPlanar},
      {.x = {2, 12, 9, 7}, .w = {17, 12, 3, 3}, .pads = {1, 1, 1, 1}},
      {.x = {1, 16, 6, 6}, .w = {33, 16, 3, 3}, .pads = {2, 2, 2, 2}, .dilations = {2, 2}, .bias = false},
      {.x = {3, 6, 4, 5}, .w = {12, 2, 3, 3}, .group = 3, .pads = {1, 1, 1, 1}},
      {.x = {1, 20, 4, 4},
       .w = {20, 20, 3, 3},
       .pads = {1, 1, 1, 1},
       .activation = {Kind::relu},
       .residual = true},
  };
  for (const Case& c : cases)
    for (const char* how : {"floating", "fixed"}) check_codes("conv_codes", c, how);
}

TEST(CudaConvCodes, EqualsTheReferenceOneChannelAGroup) {
  for (int64_t channels : {5, 24})
    for (int64_t stride : {1, 2})
      for (const char* how : {"floating", "fixed"})
        check_codes("conv_depthwise_codes",
                    {.x = {2, channels, 7, 6},
                     .w = {channels, 1, 3, 3},
                     .group = channels,
                     .strides = {stride, stride},
                     .pads = {1, 1, 1, 1},
                     .activation = {Kind::hard_swish},
                     .residual = stride == 1},
                    how);
}

TEST(CudaConvCodes, GainsBehindSilu) {
  check_codes("conv_codes",
              {.x = {1, 32, 9, 9}, .w = {70, 32, 1, 1}, .activation = {Kind::silu}, .gains = true},
              "floating");
  check_codes("conv_codes",
              {.x = {1, 3, 9, 11},
               .w = {24, 3, 3, 3},
               .strides = {2, 2},
               .pads = {1, 1, 1, 1},
               .activation = {Kind::silu},
               .bias = false,
               .gains = true},
              "floating");
  check_codes("conv_depthwise_codes",
              {.x = {2, 24, 7, 6},
               .w = {24, 1, 3, 3},
               .group = 24,
               .pads = {1, 1, 1, 1},
               .activation = {Kind::silu},
               .gains = true},
              "floating");
}

TEST(CudaConvCodes, ActivationsAreBoundsSlopesPolynomialsAndTables) {
  for (const FusedActivation& activation : {FusedActivation{Kind::clip, -1, 0.5f},
                                            {Kind::leaky_relu, 0.1f},
                                            {Kind::leaky_relu, -0.5f},
                                            {Kind::silu},
                                            {Kind::gelu},
                                            {Kind::tanh}})
    for (const char* how : {"floating", "fixed"})
      check_codes("conv_codes", {.x = {1, 9, 4, 4}, .w = {12, 9, 1, 1}, .activation = activation}, how);
}

TEST(CudaConvDynamic, EqualsTheReference) {
  const std::vector<Case> cases = {
      {.x = {1, 16, 7, 6}, .w = {24, 16, 3, 3}, .pads = {1, 1, 1, 1}},
      {.x = {3, 9, 5, 6}, .w = {70, 9, 3, 3}, .pads = {1, 1, 1, 1}, .activation = {Kind::relu}},
      {.x = {2, 30, 5, 6}, .w = {36, 30, 3, 3}, .pads = {1, 1, 1, 1}, .bias = false, .residual = true},
      {.x = {1, 3, 41, 39}, .w = {17, 3, 3, 3}, .strides = {2, 2}, .activation = {Kind::leaky_relu, 0.1f}},
      {.x = {2, 8, 5, 5}, .w = {8, 1, 3, 3}, .group = 8, .pads = {1, 1, 1, 1}, .in = kPlanar, .out = kPlanar},
  };
  for (const Case& c : cases) {
    OpRun run(conv_schema(), c.attributes());
    run.stored(random_tensor(c.x, 1, 1.5f), c.in);
    dynamic_codes(run, c.w);
    if (c.bias)
      run.constant(Constant(random_tensor({c.w[0]}, 3)));
    else
      run.absent();
    if (c.residual) run.stored(random_tensor({c.x[0], c.w[0], c.x[2], c.x[3]}, 4), c.out);
    run.store_outputs({c.out});
    EXPECT_EQ(floats(run_on_test_device(cuda_kernel("conv_dynamic"), run)[0]), floats(run.reference()[0]))
        << c.str();
  }
}

TEST(CudaConvDynamic, PicturesOfNothingAndOfNaN) {
  for (const float x : {0.0f, NAN}) {
    Tensor picture = Tensor::allocate(DType::f32, {1, 4, 3, 3});
    for (float& value : picture.mutable_view().span<float>()) value = x;
    OpRun run(conv_schema(), {});
    run.stored(picture, kLast);
    dynamic_codes(run, {6, 4, 3, 3});
    run.store_outputs({kLast});
    for (float y : floats(run_on_test_device(cuda_kernel("conv_dynamic"), run)[0]))
      EXPECT_TRUE(x == 0 ? y == 0 : std::isnan(y)) << y;
  }
}

TEST(CudaConvCodes, FloatsComeOutUnrounded) {
  check_codes("conv_codes", {.x = {1, 16, 5, 6}, .w = {20, 16, 3, 3}, .activation = {Kind::relu}}, "floating",
              true);
}

}  // namespace
}  // namespace halftone::cuda
