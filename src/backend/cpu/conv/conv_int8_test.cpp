#include "exact_kernels.h"
#include "int8_weights.h"
#include "ops/conv/conv_integer.h"

namespace halftone::cpu {
namespace {

struct ConvCase {
  Shape x, w;
  int64_t group = 1;
  std::vector<int64_t> strides = {1, 1}, pads = {0, 0, 0, 0}, dilations = {1, 1};
  FusedActivation activation = {};
  bool bias = true;
  bool floats = false;
  bool residual = false;
  bool gains = false;
  float gain = 1;  ///< the middle of them

  std::string str() const {
    return fmt::format("x {} w {} group {} stride {} pad {} dilation {} activation {}", x.str(), w.str(),
                       group, strides[0], pads[0], dilations[0], static_cast<int>(activation.kind));
  }
};

const CodeScale kInput{0.03f, 113};

/// The kernels that took the case.
size_t check(const ConvCase& c, std::string_view how, std::string_view prefix) {
  Attributes attributes = {
      {"group", c.group}, {"strides", c.strides}, {"pads", c.pads}, {"dilations", c.dilations}};
  attributes.set("requantization", std::string(how));
  set_fused_activation(attributes, c.activation);
  OpRun run(conv_schema(), attributes);
  run.stored(random_tensor(c.x, 1, 1.5f), {Storage::Order::channels_last, kInput});
  run.constant(int8_weights(c.w, 2));
  if (c.bias)
    run.constant(Constant(random_tensor({c.w[0]}, 3)));
  else if (c.residual)
    run.absent();
  if (c.residual)
    run.stored(random_tensor({c.x[0], c.w[0], c.x[2], c.x[3]}, 4, 2),
               {Storage::Order::channels_last, {{0.02f, 99}}});
  if (c.gains) {
    while (run.site().inputs.size() < kConvGains) run.absent();
    Tensor gains = random_tensor({c.w[0]}, 5);
    for (float& g : gains.mutable_view().span<float>()) g = c.gain * std::exp2(g);
    run.constant(Constant(gains));
  }
  const double deviation = 0.3 * std::sqrt(static_cast<double>(c.w.elements() / c.w[0]));
  const CodeScale out = fit_codes(static_cast<float>(-2 * deviation), static_cast<float>(3 * deviation));
  run.store_outputs({{Storage::Order::channels_last, c.floats ? std::nullopt : std::optional(out)}});
  return expect_exact(run, prefix, c.str() + " " + std::string(how));
}

TEST(ConvInt8, EqualsTheReference) {
  const std::vector<ConvCase> cases = {
      {.x = {1, 64, 13, 13}, .w = {70, 64, 1, 1}},
      {.x = {1, 3, 19, 23}, .w = {24, 3, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
      {.x = {2, 12, 9, 7}, .w = {17, 12, 3, 3}, .pads = {1, 1, 1, 1}},
      {.x = {1, 58, 5, 11}, .w = {58, 58, 1, 1}, .bias = false},
      {.x = {1, 7, 17, 17}, .w = {130, 7, 7, 5}, .strides = {3, 2}, .pads = {3, 2, 3, 2}},
      {.x = {1, 8, 12, 12}, .w = {33, 8, 3, 3}, .pads = {2, 2, 2, 2}, .dilations = {2, 2}},
      {.x = {3, 6, 4, 5}, .w = {12, 2, 3, 3}, .group = 3, .pads = {1, 1, 1, 1}},
      {.x = {1, 20, 1, 1}, .w = {300, 20, 1, 1}},
      {.x = {1, 5, 3, 3}, .w = {10, 1, 3, 3}, .group = 5, .pads = {4, 4, 4, 4}},
      {.x = {1, 64, 13, 17}, .w = {1, 64, 1, 1}},
      {.x = {1, 33, 9, 17}, .w = {4, 33, 1, 1}},
      {.x = {1, 16, 6, 6}, .w = {64, 16, 1, 1}, .strides = {2, 2}},
      {.x = {2, 18, 7, 5}, .w = {40, 18, 1, 1}, .pads = {1, 0, 2, 3}},
      {.x = {1, 9, 6, 7}, .w = {36, 9, 1, 1}, .strides = {2, 3}, .pads = {1, 1, 1, 1}},
      {.x = {1, 24, 5, 5}, .w = {18, 8, 1, 1}, .group = 3, .pads = {1, 1, 1, 1}},
      {.x = {2, 3, 20, 21}, .w = {16, 3, 6, 6}, .strides = {2, 2}, .pads = {2, 2, 2, 2}},
      {.x = {1, 4, 9, 11}, .w = {20, 4, 5, 3}, .pads = {4, 1, 0, 2}, .dilations = {2, 1}},
      {.x = {1, 1, 12, 12}, .w = {6, 1, 5, 5}, .pads = {2, 2, 2, 2}},
  };
  for (const ConvCase& c : cases)
    for (const char* how : {"floating", "fixed"})
      EXPECT_EQ(check(c, how, "conv_int8_"), code_tile_isas()) << c.str();
}

#if defined(__x86_64__)
TEST(ConvInt8, WinogradEqualsTheReference) {
  const std::vector<ConvCase> cases = {
      {.x = {1, 16, 8, 8}, .w = {16, 16, 3, 3}, .pads = {1, 1, 1, 1}},
      {.x = {2, 17, 9, 7}, .w = {24, 17, 3, 3}, .pads = {1, 1, 1, 1}},
      {.x = {1, 40, 13, 12}, .w = {70, 40, 3, 3}},
      {.x = {1, 33, 5, 18}, .w = {9, 33, 3, 3}, .pads = {2, 0, 1, 3}, .bias = false},
      {.x = {1, 600, 3, 3}, .w = {17, 600, 3, 3}, .pads = {1, 1, 1, 1}},
      {.x = {1, 20, 3, 3}, .w = {16, 20, 3, 3}, .activation = {FusedActivation::Kind::leaky_relu, 0.1f}},
      {.x = {3, 24, 6, 6},
       .w = {32, 24, 3, 3},
       .pads = {1, 1, 1, 1},
       .activation = {FusedActivation::Kind::silu}},
      {.x = {1, 40, 9, 8},
       .w = {40, 40, 3, 3},
       .pads = {1, 1, 1, 1},
       .activation = {FusedActivation::Kind::silu},
       .gains = true},
      {.x = {1, 58, 7, 6}, .w = {58, 58, 3, 3}, .pads = {1, 1, 1, 1}, .residual = true},
      {.x = {1, 40, 7, 6},
       .w = {40, 40, 3, 3},
       .pads = {1, 1, 1, 1},
       .activation = {FusedActivation::Kind::silu},
       .residual = true},
      {.x = {2, 18, 31, 26}, .w = {33, 18, 3, 3}, .pads = {0, 2, 1, 0}},
      {.x = {1, 64, 14, 14}, .w = {130, 64, 3, 3}, .pads = {1, 1, 1, 1}, .residual = true},
      {.x = {1, 32, 7, 6},
       .w = {32, 32, 3, 3},
       .pads = {1, 1, 1, 1},
       .activation = {FusedActivation::Kind::relu},
       .residual = true},
  };
  const size_t expected = cpu_has(Isa::avx2) ? 1 : 0;
  for (ConvCase c : cases) {
    EXPECT_EQ(check(c, "floating", "conv_winograd_codes_avx2"), expected) << c.str();
    EXPECT_EQ(check(c, "fixed", "conv_winograd_codes_avx2"), c.gains ? 0 : expected) << c.str();
    check(c, "floating", "conv_winograd_codes_avxvnni");
    c.gains = false;
    c.floats = true;
    c.activation = {FusedActivation::Kind::relu};
    EXPECT_EQ(check(c, "floating", "conv_winograd_codes_avx2"), expected) << c.str();
    check(c, "floating", "conv_winograd_codes_avxvnni");
  }
}

TEST(ConvInt8, OnAvxVnniWinogradTakesLayersOfChannelsEnough) {
  const size_t there = cpu_has(Isa::avxvnni) ? 1 : 0;
  const auto takes = [](const Shape& x, const Shape& w) {
    return check({.x = x, .w = w, .pads = {1, 1, 1, 1}}, "floating", "conv_winograd_codes_avxvnni");
  };
  EXPECT_EQ(takes({1, 32, 4, 8}, {32, 32, 3, 3}), there);
  EXPECT_EQ(takes({1, 61, 8, 5}, {40, 61, 3, 3}), 0u);  // tiles that are mostly empty
  EXPECT_EQ(takes({1, 61, 8, 4}, {40, 61, 3, 3}), there);
  EXPECT_EQ(takes({1, 16, 4, 4}, {16, 16, 3, 3}), 0u);
  EXPECT_EQ(takes({1, 128, 4, 4}, {128, 128, 3, 3}), 0u);  // weights of more than 1 MiB
}

TEST(ConvInt8, WindowsOfHalvedPicturesEqualTheReference) {
  const std::vector<ConvCase> cases = {
      {.x = {1, 3, 20, 22}, .w = {16, 3, 6, 6}, .pads = {2, 2, 2, 2}},
      {.x = {2, 4, 19, 23}, .w = {33, 4, 5, 6}, .pads = {0, 3, 4, 1}},
      {.x = {2, 1, 17, 40}, .w = {9, 1, 6, 5}, .pads = {5, 5, 5, 5}, .bias = false},
      {.x = {1, 2, 9, 11}, .w = {20, 2, 5, 5}, .activation = {FusedActivation::Kind::silu}},
      {.x = {1, 3, 6, 6}, .w = {16, 3, 6, 6}},
  };
  for (ConvCase c : cases) {
    c.strides = {2, 2};
    const size_t expected = cpu_has(Isa::avx2) ? 1 : 0;
    for (const char* how : {"floating", "fixed"})
      EXPECT_EQ(check(c, how, "conv_winograd_codes_avx2"), expected) << c.str();
    c.floats = true;
    c.activation = {FusedActivation::Kind::relu};
    EXPECT_EQ(check(c, "floating", "conv_winograd_codes_avx2"), expected) << c.str();
  }
}

TEST(ConvInt8, WinogradIsExactAtTheEndsOfItsNumbers) {
  // Codes of 0 and 255, weights of 127 and -127: the largest sums there are, and those that larger tiles
  // hold.
  for (const Shape& shape : {Shape{1, 115, 4, 4}, Shape{1, 115, 4, 5}, Shape{1, 1024, 4, 5}})
    for (int pattern = 0; pattern < 4; ++pattern) {
      const int64_t channels = shape[1];
      Tensor x = Tensor::allocate(DType::f32, shape), w = Tensor::allocate(DType::f32, {16, channels, 3, 3});
      const auto xs = x.mutable_view().span<float>();
      for (size_t i = 0; i < xs.size(); ++i)
        xs[i] =
            pattern == 0 || (pattern == 1 && i % 2 == 0) || (pattern == 2 && i % 3 == 0) ? 100.0f : -100.0f;
      const auto ws = w.mutable_view().span<float>();
      for (size_t i = 0; i < ws.size(); ++i)
        ws[i] = (i / 9 + (pattern == 3 ? i : 0)) % 2 == 0 || pattern == 0 ? 1.0f : -1.0f;
      Constant weights(w);
      weights.set_encoding({.format = find_number_format("int8"),
                            .granularity = Granularity::per_axis(0),
                            .scale_dtype = DType::f32});
      Attributes attributes = {{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
      OpRun run(conv_schema(), attributes);
      run.stored(x, {Storage::Order::channels_last, kInput}).constant(weights);
      run.store_outputs({{Storage::Order::channels_last, {{400.0f, 128}}}});
      EXPECT_EQ(expect_exact(run, "conv_winograd_codes_avx2", fmt::format("pattern {}", pattern)),
                cpu_has(Isa::avx2) ? 1u : 0u);
      EXPECT_EQ(expect_exact(run, "conv_winograd_codes_avxvnni", fmt::format("pattern {}", pattern)),
                cpu_has(Isa::avxvnni) && shape.elements() == 16 * channels && channels == 115 ? 1u : 0u);
    }
}

TEST(ConvInt8, DepthwiseLinesEqualTheReference) {
  for (int64_t channels : {16, 24, 58, 130})
    for (const std::vector<int64_t>& strides :
         std::vector<std::vector<int64_t>>{{1, 1}, {2, 2}, {1, 2}, {3, 1}})
      for (const std::vector<int64_t>& pads :
           std::vector<std::vector<int64_t>>{{1, 1, 1, 1}, {0, 0, 0, 0}, {2, 3, 1, 4}})
        for (const char* how : {"floating", "fixed"})
          for (const FusedActivation& activation :
               {FusedActivation{}, FusedActivation{FusedActivation::Kind::silu}}) {
            ConvCase c{.x = {2, channels, 9, 37},
                       .w = {channels, 1, 3, 3},
                       .group = channels,
                       .strides = strides,
                       .pads = pads,
                       .activation = activation};
            const size_t expected = cpu_has(Isa::avx2) ? 1 : 0;
            EXPECT_EQ(check(c, how, "conv_codes_depthwise"), expected) << c.str();
            EXPECT_EQ(check(c, how, "conv_codes_narrow"), channels <= 24 ? expected : 0) << c.str();
            if (activation.kind != FusedActivation::Kind::none) continue;
            c.floats = true;
            c.activation = {FusedActivation::Kind::relu};
            EXPECT_EQ(check(c, how, "conv_codes_depthwise"), expected) << c.str();
          }
}
#endif

TEST(ConvInt8, DepthwiseEqualsTheReference) {
  for (int64_t channels : {2, 16, 24, 58, 64, 116, 130})
    for (int64_t stride : {1, 2})
      for (int64_t kernel : {3, 5}) {
        const ConvCase c{.x = {1, channels, 10, 9},
                         .w = {channels, 1, kernel, kernel},
                         .group = channels,
                         .strides = {stride, stride},
                         .pads = std::vector<int64_t>(4, kernel / 2)};
        for (const char* how : {"floating", "fixed"})
          EXPECT_EQ(check(c, how, "conv_int8_depthwise"), int8_isas()) << c.str();
        for (const FusedActivation& activation :
             {FusedActivation{}, FusedActivation{FusedActivation::Kind::relu}}) {
          ConvCase floating = c;
          floating.floats = true;
          floating.activation = activation;
          EXPECT_EQ(check(floating, "floating", "conv_int8_depthwise"), int8_isas()) << c.str();
        }
      }
}

TEST(ConvInt8, ActivationsInTheEpilogue) {
  using Kind = FusedActivation::Kind;
  const std::vector<FusedActivation> activations = {{Kind::relu},
                                                    {Kind::clip, 0, 1.5f},
                                                    {Kind::clip, -1, 0.5f},
                                                    {Kind::leaky_relu, 0.1f},
                                                    {Kind::leaky_relu, -0.5f},
                                                    {Kind::sigmoid},
                                                    {Kind::silu},
                                                    {Kind::hard_sigmoid, 0.2f, 0.5f},
                                                    {Kind::hard_swish},
                                                    {Kind::tanh},
                                                    {Kind::gelu},
                                                    {Kind::gelu_tanh}};
  for (const FusedActivation& activation : activations)
    for (const char* how : {"floating", "fixed"}) {
      EXPECT_EQ(check({.x = {1, 9, 7, 7}, .w = {70, 9, 1, 1}, .activation = activation}, how, "conv_int8_"),
                code_tile_isas());
      EXPECT_EQ(check({.x = {1, 70, 7, 7}, .w = {70, 1, 3, 3}, .group = 70, .activation = activation}, how,
                      "conv_int8_depthwise"),
                int8_isas());
    }
}

TEST(ConvInt8, GainsBehindSilu) {
  const std::vector<ConvCase> cases = {
      {.x = {1, 64, 13, 13}, .w = {70, 64, 1, 1}},
      {.x = {1, 3, 19, 23}, .w = {24, 3, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
      {.x = {2, 12, 9, 7}, .w = {17, 12, 3, 3}, .pads = {1, 1, 1, 1}},
      {.x = {1, 58, 5, 11}, .w = {58, 58, 1, 1}, .bias = false},
      {.x = {3, 6, 4, 5}, .w = {12, 2, 3, 3}, .group = 3, .pads = {1, 1, 1, 1}},
      {.x = {2, 18, 7, 5}, .w = {40, 18, 1, 1}, .pads = {1, 0, 2, 3}},
      {.x = {1, 33, 9, 17}, .w = {4, 33, 1, 1}},
      {.x = {1, 32, 6, 7}, .w = {32, 32, 1, 1}},
      {.x = {1, 16, 11, 7}, .w = {16, 16, 1, 1}},
      {.x = {1, 20, 1, 1}, .w = {300, 20, 1, 1}},
  };
  // Products that leave 32 bits, too.
  for (float gain : {1.0f, 1e9f, 1e30f, 1e-30f})
    for (ConvCase c : cases) {
      c.activation = {FusedActivation::Kind::silu};
      c.gains = true;
      c.gain = gain;
      EXPECT_EQ(check(c, "floating", "conv_int8_"), code_tile_isas()) << c.str() << " gain " << gain;
      EXPECT_EQ(check(c, "fixed", "conv_"), 0u);
      c.activation = {FusedActivation::Kind::relu};
      EXPECT_EQ(check(c, "floating", "conv_"), 0u);
    }
}

TEST(ConvInt8, GainsOfDepthwiseChannels) {
  for (int64_t channels : {2, 16, 24, 58, 64, 130})
    for (int64_t stride : {1, 2})
      for (float gain : {1.0f, 1e30f}) {
        ConvCase c{.x = {1, channels, 10, 9},
                   .w = {channels, 1, 3, 3},
                   .group = channels,
                   .strides = {stride, stride},
                   .pads = std::vector<int64_t>(4, 1),
                   .activation = {FusedActivation::Kind::silu},
                   .gains = true,
                   .gain = gain};
        EXPECT_EQ(check(c, "floating", "conv_int8_depthwise"), int8_isas()) << c.str();
#if defined(__x86_64__)
        const size_t lines = channels >= 16 && cpu_has(Isa::avx2) ? 1 : 0;
        EXPECT_EQ(check(c, "floating", "conv_codes_depthwise"), lines) << c.str();
#endif
      }
}

TEST(ConvInt8, GainsThatAreNoPositiveNumbersHaveNoIntegerMeaning) {
  for (float gain : {0.0f, -1.0f, NAN, INFINITY}) {
    Attributes attributes;
    set_fused_activation(attributes, {FusedActivation::Kind::silu});
    OpRun run(conv_schema(), attributes);
    run.stored(random_tensor({1, 5, 3, 3}, 1), {Storage::Order::channels_last, kInput});
    run.constant(int8_weights({2, 5, 1, 1}, 2)).absent().absent();
    run.constant(Constant(Tensor::from<float>({2}, {1, gain})));
    run.store_outputs({{Storage::Order::channels_last, {{0.02f, 10}}}});
    EXPECT_FALSE(integer_conv_refusal(run.site()).empty());
    for (const Kernel* kernel : cpu_kernels("Conv")) EXPECT_FALSE(kernel->supports(run.site()).empty());
    EXPECT_EQ(run.reference().size(), 1u);
  }
}

TEST(ConvInt8, AResidualJoinsTheSum) {
  using Kind = FusedActivation::Kind;
  for (int64_t channels : {4, 16, 58, 70})
    for (Kind activation : {Kind::relu, Kind::silu})
      for (bool to_floats : {false, true})
        for (const char* how : {"floating", "fixed"}) {
          if (to_floats && activation == Kind::silu) continue;  // close, not equal
          EXPECT_EQ(check({.x = {1, channels, 7, 6},
                           .w = {channels, channels, 3, 3},
                           .pads = {1, 1, 1, 1},
                           .activation = {activation},
                           .bias = channels != 58,
                           .floats = to_floats,
                           .residual = true},
                          how, "conv_int8_"),
                    code_tile_isas());
        }
}

TEST(ConvInt8, FloatsComeOutUnrounded) {
  for (const FusedActivation& activation : {FusedActivation{}, FusedActivation{FusedActivation::Kind::relu}})
    EXPECT_EQ(check({.x = {1, 30, 5, 6}, .w = {85, 30, 3, 3}, .activation = activation, .floats = true},
                    "floating", "conv_int8_"),
              code_tile_isas());
}

TEST(ConvInt8, FloatsThroughAFunctionStayClose) {
  // Of few outputs too, whose rows are finished together.
  for (int64_t outputs : {1, 4, 7, 24}) {
    Attributes attributes;
    set_fused_activation(attributes, {FusedActivation::Kind::sigmoid});
    OpRun run(conv_schema(), attributes);
    run.stored(random_tensor({2, 33, 9, 11}, 1, 1.5f), {Storage::Order::channels_last, kInput});
    run.constant(int8_weights({outputs, 33, 1, 1}, 2)).constant(Constant(random_tensor({outputs}, 3)));
    run.store_outputs({{Storage::Order::channels_last, std::nullopt}});
    const std::vector<float> expected = floats(run.reference()[0]);
    size_t count = 0;
    for (const Kernel* kernel : cpu_kernels("Conv")) {
      if (!kernel->name.starts_with("conv_int8_") || !kernel->supports(run.site()).empty()) continue;
      ++count;
      ThreadPool threads(3);
      const std::vector<float> made = floats(run_kernel(*kernel, run, threads)[0]);
      for (size_t i = 0; i < made.size(); ++i)
        ASSERT_NEAR(made[i], expected[i], 1e-6f) << kernel->name << " " << outputs << " outputs, " << i;
    }
    EXPECT_EQ(count, code_tile_isas());
  }
}

TEST(ConvInt8, StaysCloseToTheFloatingConvolution) {
  OpRun integer(conv_schema(), {}), floating(conv_schema(), {});
  const Tensor x = random_tensor({1, 32, 8, 8}, 5);
  const Constant weights = int8_weights({16, 32, 3, 3}, 6);
  const CodeScale codes = fit_codes(-4, 4);
  integer.stored(x, {Storage::Order::planar, codes}).constant(weights);
  floating.input(x).constant(Constant(weights.load()));
  const std::vector<float> a = floats(integer.reference()[0]), b = floats(floating.reference()[0]);
  double error = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += std::pow(a[i] - b[i], 2);
    size += std::pow(b[i], 2);
  }
  EXPECT_LT(error, 3e-4 * size);
}

}  // namespace
}  // namespace halftone::cpu
