#include "quant/algo/gptq/rounding.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "quant/matrix/scale_fit.h"

namespace halftone {
namespace {

/// Inputs of which neighbours resemble each other, as those of real layers do.
std::vector<float> correlated_inputs(int64_t rows, int64_t columns, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) {
    float carried = 0;
    for (int64_t c = 0; c < columns; ++c) {
      carried = 0.8f * carried + normal(random);
      x[static_cast<size_t>(r * columns + c)] = carried * (c % 7 == 3 ? 5.0f : 1.0f);
    }
  }
  return x;
}

Tensor random_weights(const Shape& shape, unsigned seed = 2) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.1f);
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  for (float& w : tensor.mutable_view().span<float>()) w = normal(random);
  return tensor;
}

Gram gram_of(const std::vector<float>& x, int64_t columns, ThreadPool& threads) {
  Gram gram(columns);
  gram.add(matrix(x.data(), static_cast<int64_t>(x.size()) / columns, columns), threads);
  return gram;
}

Encoding encoding_of(const char* format, const Granularity& granularity, bool symmetric = true) {
  Encoding encoding;
  encoding.format = find_number_format(format);
  encoding.granularity = granularity;
  encoding.symmetric = symmetric;
  return encoding;
}

/// Squared error of the layer's output over the inputs, [outputs, inputs] weights.
double output_error(const Tensor& weights, const Tensor& rounded, const std::vector<float>& x) {
  const int64_t n = weights.shape()[1], outputs = weights.shape()[0];
  double sum = 0;
  for (size_t row = 0; row < x.size() / static_cast<size_t>(n); ++row)
    for (int64_t o = 0; o < outputs; ++o) {
      double error = 0;
      for (int64_t c = 0; c < n; ++c)
        error += double{x[row * static_cast<size_t>(n) + static_cast<size_t>(c)]} *
                 (double{rounded.span<float>()[static_cast<size_t>(o * n + c)]} -
                  double{weights.span<float>()[static_cast<size_t>(o * n + c)]});
      sum += error * error;
    }
  return sum;
}

/// GPTQ as the paper states it, in double, one column at a time: after each, H^-1 loses a row and a column.
class PlainGptq {
 public:
  PlainGptq(const std::vector<float>& x, int64_t n, double damping) : n_(static_cast<size_t>(n)) {
    std::vector<double> h(n_ * n_);
    const size_t rows = x.size() / n_;
    for (size_t r = 0; r < rows; ++r)
      for (size_t i = 0; i < n_; ++i)
        for (size_t j = 0; j < n_; ++j)
          h[i * n_ + j] += 2.0 * double{x[r * n_ + i]} * double{x[r * n_ + j]} / static_cast<double>(rows);
    double mean = 0;
    for (size_t i = 0; i < n_; ++i) mean += h[i * n_ + i] / static_cast<double>(n_);
    for (size_t i = 0; i < n_; ++i) h[i * n_ + i] += damping * mean;
    inverse_ = inverse_of(h);
  }

  /// Rounds one output's weights; scales of `group` columns as they come.
  std::vector<float> round(std::span<const float> weights, const Encoding& encoding, int64_t group) const {
    std::vector<double> w(weights.begin(), weights.end()), h = inverse_;
    std::vector<float> rounded(n_);
    CodeParams params;
    for (size_t j = 0; j < n_; ++j) {
      if (j % static_cast<size_t>(group) == 0) {
        std::vector<float> values;
        for (size_t k = j; k < std::min(n_, j + static_cast<size_t>(group)); ++k)
          values.push_back(static_cast<float>(w[k]));
        params = fit_group(encoding, values, {}, false);
      }
      const float now = static_cast<float>(w[j]);
      uint8_t code;
      encoding.format->encode({&now, 1}, params, {&code, 1});
      encoding.format->decode({&code, 1}, params, {&rounded[j], 1});
      const double error = (w[j] - double{rounded[j]}) / h[j * n_ + j];
      for (size_t k = j + 1; k < n_; ++k) w[k] -= error * h[j * n_ + k];
      const std::vector<double> before = h;
      for (size_t a = j + 1; a < n_; ++a)
        for (size_t b = j + 1; b < n_; ++b)
          h[a * n_ + b] -= before[a * n_ + j] * before[j * n_ + b] / before[j * n_ + j];
    }
    return rounded;
  }

 private:
  std::vector<double> inverse_of(std::vector<double> a) const {
    std::vector<double> inverse(n_ * n_);
    for (size_t i = 0; i < n_; ++i) inverse[i * n_ + i] = 1;
    for (size_t i = 0; i < n_; ++i) {
      const double pivot = a[i * n_ + i];
      for (size_t k = 0; k < n_; ++k) a[i * n_ + k] /= pivot, inverse[i * n_ + k] /= pivot;
      for (size_t r = 0; r < n_; ++r) {
        if (r == i) continue;
        const double factor = a[r * n_ + i];
        for (size_t k = 0; k < n_; ++k) {
          a[r * n_ + k] -= factor * a[i * n_ + k];
          inverse[r * n_ + k] -= factor * inverse[i * n_ + k];
        }
      }
    }
    return inverse;
  }

  size_t n_;
  std::vector<double> inverse_;
};

struct Case {
  const char* format;
  Granularity granularity;
  bool symmetric;
};

class GptqAgainstDouble : public testing::TestWithParam<Case> {};

TEST_P(GptqAgainstDouble, GivesTheSameWeights) {
  ThreadPool threads(2);
  const int64_t n = 150, outputs = 19;  // more than a block, tails everywhere
  const auto x = correlated_inputs(400, n);
  const Tensor weights = random_weights({outputs, n});
  const Encoding encoding = encoding_of(GetParam().format, GetParam().granularity, GetParam().symmetric);
  GptqRounding rounding(weights, false, encoding, {.search_scales = false}, "w");
  const GptqOutcome outcome = rounding.round(0, outputs, gram_of(x, n, threads), threads);
  EXPECT_FALSE(outcome.failed);
  EXPECT_EQ(outcome.damping, 0.01);
  const Tensor rounded = rounding.finish()->decode();

  const PlainGptq plain(x, n, 0.01);
  const int64_t group =
      encoding.granularity.kind == Granularity::Kind::per_group ? encoding.granularity.group : n;
  Tensor expected = Tensor::allocate(DType::f32, weights.shape());
  int same = 0;
  for (int64_t o = 0; o < outputs; ++o) {
    const auto row = plain.round(
        weights.span<float>().subspan(static_cast<size_t>(o * n), static_cast<size_t>(n)), encoding, group);
    for (int64_t c = 0; c < n; ++c) {
      const auto i = static_cast<size_t>(o * n + c);
      expected.mutable_view().span<float>()[i] = row[static_cast<size_t>(c)];
      same += rounded.span<float>()[i] == row[static_cast<size_t>(c)];
    }
  }
  // A weight near the middle between two codes falls either way in f32, and its row goes on from there.
  EXPECT_GE(same, outputs * n * 9 / 10);
  const double error = output_error(weights, rounded, x), plain_error = output_error(weights, expected, x);
  EXPECT_NEAR(error / plain_error, 1, 0.02);
  const double nearest = output_error(weights, quantize(weights.view(), encoding, "w").decode(), x);
  EXPECT_LT(error, 0.8 * nearest);
}

INSTANTIATE_TEST_SUITE_P(Encodings, GptqAgainstDouble,
                         testing::Values(Case{"int4", Granularity::per_group(32), true},
                                         Case{"int4", Granularity::per_group(32), false},
                                         Case{"int4", Granularity::per_group(48), false},
                                         Case{"int3", Granularity::per_group(200), true},
                                         Case{"int4", Granularity::per_axis(0), true},
                                         Case{"int2", Granularity::per_group(7), false},
                                         Case{"nf4", Granularity::per_group(64), true}));

/// All ways to lay scales out, against rounding to nearest.
TEST(Gptq, BeatsRoundingToNearestForEveryEncoding) {
  ThreadPool threads(2);
  const int64_t n = 140, outputs = 24;
  const auto x = correlated_inputs(300, n);
  const Gram gram = gram_of(x, n, threads);
  const Tensor weights = random_weights({outputs, n});
  Encoding nested = encoding_of("nf4", Granularity::per_group(64));
  nested.double_quant_block = 256;
  Encoding minimum = encoding_of("int4", Granularity::per_group(32), false);
  minimum.real_minimum = true;
  for (const Encoding& encoding :
       {encoding_of("int4", Granularity::per_tensor()), encoding_of("int8", Granularity::per_axis(0)),
        encoding_of("quantile4", Granularity::per_group(64)),
        encoding_of("fp8_e4m3", Granularity::per_axis(0)), nested, minimum,
        encoding_of("int3", Granularity::per_group(128))})
    for (const GptqOptions& options : {GptqOptions{}, GptqOptions{.act_order = true},
                                       GptqOptions{.static_groups = true, .search_scales = false}}) {
      GptqRounding rounding(weights, false, encoding, options, "w");
      rounding.round(0, outputs, gram, threads);
      const double error = output_error(weights, rounding.finish()->decode(), x);
      const double nearest = output_error(weights, quantize(weights.view(), encoding, "w").decode(), x);
      EXPECT_LT(error, 0.8 * nearest) << encoding.str() << " act_order " << options.act_order;
    }
}

TEST(Gptq, WeightsThatLieTheOtherWayRound) {
  ThreadPool threads(2);
  const int64_t n = 96, outputs = 40;
  const auto x = correlated_inputs(300, n);
  const Gram gram = gram_of(x, n, threads);
  const Tensor weights = random_weights({outputs, n});
  Tensor turned = Tensor::allocate(DType::f32, {n, outputs});
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t c = 0; c < n; ++c)
      turned.mutable_view().span<float>()[static_cast<size_t>(c * outputs + o)] =
          weights.span<float>()[static_cast<size_t>(o * n + c)];

  GptqRounding upright(weights, false, encoding_of("int4", Granularity::per_axis(0)), {}, "w");
  GptqRounding across(turned, true, encoding_of("int4", Granularity::per_axis(1)), {}, "w");
  upright.round(0, outputs, gram, threads);
  across.round(0, outputs, gram, threads);
  const Tensor a = upright.finish()->decode(), b = across.finish()->decode();
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t c = 0; c < n; ++c)
      ASSERT_EQ(a.span<float>()[static_cast<size_t>(o * n + c)],
                b.span<float>()[static_cast<size_t>(c * outputs + o)]);

  // Groups along the outputs: each input has scales of its own.
  const Encoding groups = encoding_of("int4", Granularity::per_group(32));
  GptqRounding grouped(turned, true, groups, {}, "w");
  grouped.round(0, outputs, gram, threads);
  auto error = [&](const Tensor& rounded) {
    Tensor back = Tensor::allocate(DType::f32, weights.shape());
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t c = 0; c < n; ++c)
        back.mutable_view().span<float>()[static_cast<size_t>(o * n + c)] =
            rounded.span<float>()[static_cast<size_t>(c * outputs + o)];
    return output_error(weights, back, x);
  };
  EXPECT_LT(error(grouped.finish()->decode()), 0.8 * error(quantize(turned.view(), groups, "w").decode()));
}

TEST(Gptq, DeadColumnsAreRoundedToNearest) {
  ThreadPool threads(1);
  const int64_t n = 40;
  auto x = correlated_inputs(200, n);
  for (size_t r = 0; r < 200; ++r) x[r * static_cast<size_t>(n) + 5] = 0;
  const Tensor weights = random_weights({3, n});
  const Encoding encoding = encoding_of("int8", Granularity::per_axis(0));
  GptqRounding rounding(weights, false, encoding, {.search_scales = false}, "w");
  const GptqOutcome outcome = rounding.round(0, 3, gram_of(x, n, threads), threads);
  EXPECT_EQ(outcome.dead, 1);
  EXPECT_FALSE(outcome.failed);
  const Tensor rounded = rounding.finish()->decode(),
               nearest = quantize(weights.view(), encoding, "w").decode();
  for (size_t o = 0; o < 3; ++o)
    EXPECT_EQ(rounded.span<float>()[o * static_cast<size_t>(n) + 5],
              nearest.span<float>()[o * static_cast<size_t>(n) + 5]);
}

TEST(Gptq, DampingIsRaisedUntilItServes) {
  ThreadPool threads(1);
  // Inputs of rank 4: to the precision of f32 their Hessian is not positive definite.
  const int64_t n = 300;
  const auto few = correlated_inputs(4, n);
  std::vector<float> x;
  for (int r = 0; r < 100; ++r)
    for (int64_t c = 0; c < n; ++c)
      x.push_back(few[static_cast<size_t>(r % 4 * n + c)] * 100 +
                  few[static_cast<size_t>((r + 1) % 4 * n + c)]);
  const Tensor weights = random_weights({4, n});
  GptqRounding rounding(weights, false, encoding_of("int4", Granularity::per_axis(0)), {.damping = 1e-9},
                        "w");
  const GptqOutcome outcome = rounding.round(0, 4, gram_of(x, n, threads), threads);
  EXPECT_FALSE(outcome.failed);
  EXPECT_GT(outcome.damping, 1e-9);
}

TEST(Gptq, WithoutActivationsRoundsToNearest) {
  ThreadPool threads(1);
  const Tensor weights = random_weights({4, 20});
  const Encoding encoding = encoding_of("int4", Granularity::per_group(8), false);
  for (float value : {0.0f, std::numeric_limits<float>::quiet_NaN()}) {
    const std::vector<float> x(60, value);
    GptqRounding rounding(weights, false, encoding, {.search_scales = false}, "w");
    EXPECT_TRUE(rounding.round(0, 4, gram_of(x, 20, threads), threads).failed);
    const auto codes = rounding.finish();
    const QuantizedTensor nearest = quantize(weights.view(), encoding, "w");
    const auto a = codes->parts().codes.span<uint8_t>(), b = nearest.parts().codes.span<uint8_t>();
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  }
}

}  // namespace
}  // namespace halftone
