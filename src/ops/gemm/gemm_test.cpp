#include "ops/gemm/gemm.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "scheme/dynamic.h"

namespace halftone {
namespace {

struct Case {
  Attributes attributes = {};
  Tensor a = {};
  Constant b = {};
  Tensor c = {};
  const Encoding* dynamic = nullptr;
  std::shared_ptr<const QuantizedTensor> encoded = nullptr;

  OpSite site() {
    OpSite site{&gemm_schema(), &attributes, "linear", {}, {}};
    site.inputs.push_back({true, {a.dtype(), a.shape()}, nullptr, dynamic});
    site.inputs.push_back({true, {b.dtype(), b.shape()}, &b, b.encoding() ? &*b.encoding() : nullptr});
    if (!c.empty()) site.inputs.push_back({true, {c.dtype(), c.shape()}, nullptr, nullptr});
    site.outputs = gemm_schema().infer(site);
    return site;
  }

  Tensor run() {
    const OpSite made = site();
    if (b.encoding()) encoded = b.load_encoded("B");
    const Tensor plain = b.encoding() ? Tensor() : b.load();
    const std::vector<Operand> inputs = {
        {a.view(), nullptr, nullptr, true},
        {plain.empty() ? TensorView{} : plain.view(), encoded.get(), nullptr, true},
        {c.empty() ? TensorView{} : c.view(), nullptr, nullptr, !c.empty()}};
    Tensor y = Tensor::allocate(made.outputs[0].dtype, made.outputs[0].shape);
    const std::vector<MutableTensorView> outputs = {y.mutable_view()};
    gemm_schema().reference(made, inputs, outputs);
    return y;
  }
};

Tensor random_tensor(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  for (float& x : tensor.mutable_view().span<float>()) x = normal(random);
  return tensor;
}

std::vector<float> values(const Tensor& tensor) {
  return {tensor.span<float>().begin(), tensor.span<float>().end()};
}

TEST(Gemm, MultipliesUnderEveryTransposition) {
  const Tensor a = Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor a_turned = Tensor::from<float>({3, 2}, {1, 4, 2, 5, 3, 6});
  const Tensor b = Tensor::from<float>({3, 2}, {1, 0, -1, 2, 3, 1});
  const Tensor b_turned = Tensor::from<float>({2, 3}, {1, -1, 3, 0, 2, 1});
  const std::vector<float> expected = {8, 7, 17, 16};
  EXPECT_EQ(values(Case{{}, a, Constant(b), {}}.run()), expected);
  EXPECT_EQ(values(Case{{{"transA", int64_t{1}}}, a_turned, Constant(b), {}}.run()), expected);
  EXPECT_EQ(values(Case{{{"transB", int64_t{1}}}, a, Constant(b_turned), {}}.run()), expected);
  EXPECT_EQ(
      values(Case{{{"transA", int64_t{1}}, {"transB", int64_t{1}}}, a_turned, Constant(b_turned), {}}.run()),
      expected);
}

TEST(Gemm, ScalesAndAddsWhateverBroadcasts) {
  const Tensor a = Tensor::from<float>({2, 1}, {1, 2});
  const Tensor b = Tensor::from<float>({1, 3}, {1, 2, 3});
  const Attributes attributes = {{"alpha", 2.0f}, {"beta", 0.5f}};
  auto with = [&](const Tensor& c) { return values(Case{attributes, a, Constant(b), c}.run()); };
  EXPECT_EQ(with(Tensor::from<float>({}, {2})), (std::vector<float>{3, 5, 7, 5, 9, 13}));
  EXPECT_EQ(with(Tensor::from<float>({3}, {2, 4, 6})), (std::vector<float>{3, 6, 9, 5, 10, 15}));
  EXPECT_EQ(with(Tensor::from<float>({2, 1}, {2, 4})), (std::vector<float>{3, 5, 7, 6, 10, 14}));
  EXPECT_EQ(with(Tensor::from<float>({2, 3}, {0, 2, 4, 6, 8, 10})), (std::vector<float>{2, 5, 8, 7, 12, 17}));
}

TEST(Gemm, RefusesWhatDoesNotFit) {
  const Tensor a = Tensor::zeros(DType::f32, {2, 3});
  EXPECT_THROW((Case{{}, a, Constant(Tensor::zeros(DType::f32, {2, 3})), {}}.site()), InputError);
  EXPECT_THROW((Case{{}, a, Constant(Tensor::zeros(DType::i32, {3, 3})), {}}.site()), InputError);
  EXPECT_THROW(
      (Case{{}, a, Constant(Tensor::zeros(DType::f32, {3, 3})), Tensor::zeros(DType::f32, {2})}.site()),
      InputError);
  const Encoding fixed{.format = find_number_format("int8"), .granularity = Granularity::per_tensor()};
  EXPECT_THROW((Case{{}, a, Constant(Tensor::zeros(DType::f32, {3, 3})), {}, &fixed}.site()),
               UnsupportedError);
}

TEST(Gemm, CostCountsStoredBits) {
  Constant b(random_tensor({64, 128}, 1));
  b.set_encoding({.format = find_number_format("int4"), .granularity = Granularity::per_group(32)});
  const Cost cost =
      gemm_schema().cost(Case{{{"transB", int64_t{1}}}, Tensor::zeros(DType::f32, {3, 128}), b, {}}.site());
  EXPECT_EQ(cost.flops, 2.0 * 3 * 64 * 128);
  EXPECT_EQ(cost.weight_bytes, 64 * 128 * 0.5 + 64 * 4 * 2);
  EXPECT_EQ(cost.activation_bytes, 4.0 * 3 * (128 + 64));
}

TEST(Gemm, SegmentsEndWhereEitherScaleDoes) {
  const auto segments = gemm_segments(100, 48, 32);
  std::vector<int64_t> ends;
  for (const GemmSegment& segment : segments) {
    EXPECT_EQ(segment.begin, ends.empty() ? 0 : ends.back());
    EXPECT_EQ(segment.a_group, segment.begin / 48);
    EXPECT_EQ(segment.b_group, segment.begin / 32);
    ends.push_back(segment.end);
  }
  EXPECT_EQ(ends, (std::vector<int64_t>{32, 48, 64, 96, 100}));
  EXPECT_EQ(gemm_segments(70000, 70000, 70000).size(), 2u);
}

// What the integers stand for, multiplied in double: all that may differ is the rounding of the sums.
TEST(Gemm, IntegerProductsEqualThoseOfTheDecodedNumbers) {
  const int64_t k = 172, n = 9;
  const Tensor a = random_tensor({3, k}, 2);
  const Encoding dynamics[] = {{.format = find_number_format("int8"),
                                .granularity = Granularity::per_token(),
                                .timing = Timing::dynamic},
                               {.format = find_number_format("int8"),
                                .granularity = Granularity::per_group(48),
                                .timing = Timing::dynamic}};
  for (const Encoding& dynamic : dynamics)
    for (bool symmetric : {true, false}) {
      Constant b(random_tensor({n, k}, 3));
      b.set_encoding({.format = find_number_format("int4"),
                      .granularity = Granularity::per_group(32),
                      .symmetric = symmetric});
      Case test{{{"transB", int64_t{1}}}, a, b, {}, &dynamic};
      EXPECT_EQ(integer_gemm_refusal(test.site()), "");
      const Tensor y = test.run();
      const Tensor decoded = test.encoded->decode();

      const int64_t group = dynamic_group(dynamic, k);
      std::vector<int8_t> codes(static_cast<size_t>(k));
      std::vector<float> scales(static_cast<size_t>((k + group - 1) / group));
      for (int64_t m = 0; m < 3; ++m) {
        quantize_token_groups(a.span<float>().subspan(static_cast<size_t>(m * k), static_cast<size_t>(k)),
                              group, codes, scales);
        for (int64_t out = 0; out < n; ++out) {
          double sum = 0, magnitude = 0;
          for (int64_t i = 0; i < k; ++i) {
            const double product = double{scales[static_cast<size_t>(i / group)]} *
                                   codes[static_cast<size_t>(i)] *
                                   double{decoded.span<float>()[static_cast<size_t>(out * k + i)]};
            sum += product;
            magnitude += std::abs(product);
          }
          EXPECT_NEAR(y.span<float>()[static_cast<size_t>(m * n + out)], sum, 1e-6 * magnitude);
        }
      }
    }
}

TEST(Gemm, OutlierColumnsStayFloating) {
  const Encoding weights{.format = find_number_format("int8"), .granularity = Granularity::per_axis(0)};
  const Encoding dynamic{.format = find_number_format("int8"),
                         .granularity = Granularity::per_token(),
                         .timing = Timing::dynamic};
  Case test{.attributes = {{"transB", int64_t{1}}}, .a = random_tensor({5, 40}, 1), .dynamic = &dynamic};
  test.b = Constant(random_tensor({7, 40}, 2));
  test.b.set_encoding(weights);
  const auto a = test.a.mutable_view().span<float>();
  for (size_t column : {3, 17}) a[2 * 40 + column] = 100;
  EXPECT_EQ(outlier_columns(a, 40, 6), (std::vector<int64_t>{3, 17}));

  auto worst_error = [&] {
    const Tensor y = test.run();
    const Tensor b = test.encoded->decode();
    double worst = 0;
    for (size_t m = 0; m < 5; ++m)
      for (size_t n = 0; n < 7; ++n) {
        double sum = 0;
        for (size_t k = 0; k < 40; ++k) sum += double{a[m * 40 + k]} * double{b.span<float>()[n * 40 + k]};
        worst = std::max(worst, std::abs(sum - double{y.span<float>()[m * 7 + n]}));
      }
    return worst;
  };
  const double spoilt = worst_error();  // one scale for 100 and for 1
  test.attributes.set("outlier_threshold", 6.0f);
  EXPECT_LT(worst_error(), spoilt / 8);

  // The integer part is that of the rows with zeros in the outliers' place.
  const std::vector<float> mixed = values(test.run());
  const Tensor kept = Tensor::from<float>({5, 40}, std::span<const float>(a));
  for (size_t m = 0; m < 5; ++m)
    for (size_t column : {3, 17}) a[m * 40 + column] = 0;
  const std::vector<float> integers = values(test.run());
  const Tensor b = test.encoded->decode();
  for (size_t i = 0; i < mixed.size(); ++i) {
    float sum = 0;
    for (size_t column : {3, 17})
      sum += kept.span<float>()[i / 7 * 40 + column] * b.span<float>()[i % 7 * 40 + column];
    EXPECT_EQ(mixed[i], integers[i] + sum);
  }
}

TEST(Gemm, SaysWhyProductsAreNotIntegers) {
  const Encoding dynamic{.format = find_number_format("int8"),
                         .granularity = Granularity::per_token(),
                         .timing = Timing::dynamic};
  const Tensor a = random_tensor({1, 64}, 4);
  Constant b(random_tensor({64, 64}, 5));
  const Attributes transposed = {{"transB", int64_t{1}}};
  EXPECT_EQ(integer_gemm_refusal(Case{transposed, a, b, {}}.site()), "A has no dynamic encoding");
  EXPECT_EQ(integer_gemm_refusal(Case{transposed, a, b, {}, &dynamic}.site()), "B has no encoding");
  b.set_encoding({.format = find_number_format("nf4"), .granularity = Granularity::per_group(64)});
  EXPECT_EQ(integer_gemm_refusal(Case{transposed, a, b, {}, &dynamic}.site()), "B is nf4 g64, not integers");
}

TEST(Gemm, NotANumberStaysVisible) {
  const Encoding dynamic{.format = find_number_format("int8"),
                         .granularity = Granularity::per_token(),
                         .timing = Timing::dynamic};
  Tensor a = random_tensor({2, 64}, 6);
  a.mutable_view().span<float>()[70] = std::nanf("");
  Constant b(random_tensor({5, 64}, 7));
  b.set_encoding({.format = find_number_format("int8"), .granularity = Granularity::per_axis(0)});
  const Tensor y = Case{{{"transB", int64_t{1}}}, a, b, {}, &dynamic}.run();
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(std::isnan(y.span<float>()[i]), i >= 5) << i;
}

TEST(Gemm, TakesRowsOfMoreDimensions) {
  Case flat{.attributes = {{"transB", int64_t{1}}},
            .a = random_tensor({6, 5}, 1),
            .b = Constant(random_tensor({4, 5}, 2))};
  flat.c = random_tensor({4}, 3);
  Case deep = flat;
  deep.a = flat.a.reshaped({2, 3, 5});
  const Tensor y = deep.run();
  EXPECT_EQ(y.shape(), (Shape{2, 3, 4}));
  EXPECT_TRUE(std::ranges::equal(y.span<float>(), flat.run().span<float>()));
}

TEST(Gemm, AppliesItsActivationLast) {
  Case plain{.attributes = {{"transB", int64_t{1}}},
             .a = random_tensor({3, 5}, 1),
             .b = Constant(random_tensor({4, 5}, 2))};
  plain.c = random_tensor({4}, 3);
  Case relu = plain;
  relu.attributes.set("activation", std::string("relu"));
  const Tensor expected = plain.run(), y = relu.run();
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(y.span<float>()[i], std::max(expected.span<float>()[i], 0.0f));
}

}  // namespace
}  // namespace halftone
