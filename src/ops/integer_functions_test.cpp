#include "ops/integer_functions.h"

#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"
#include "ops/code_sum.h"
#include "ops/requantizer.h"

namespace halftone {
namespace {

TEST(IntegerFunctions, Roots) {
  for (int64_t x : {0, 1, 2, 3, 4, 15, 16, 17, 99, 100, 1 << 30}) {
    const int64_t root = integer_sqrt(x);
    EXPECT_LE(root * root, x);
    EXPECT_GT((root + 1) * (root + 1), x);
  }
  EXPECT_EQ(integer_sqrt(int64_t{3037000499} * 3037000499), 3037000499);
}

TEST(IntegerFunctions, ExponentialsAreWithinAPercentOfOne) {
  for (double scale : {0.2, 0.01, 1e-3, 3e-5, 1e-7}) {
    const IntegerExp exp(scale);
    const auto one = static_cast<double>(exp(0));
    for (double x = 0; x > -20; x -= 0.37) {
      const auto q = static_cast<int64_t>(std::llround(x / scale));
      EXPECT_NEAR(static_cast<double>(exp(q)) / one, std::exp(static_cast<double>(q) * scale), 0.01)
          << scale << " " << x;
    }
    EXPECT_EQ(exp(-(int64_t{1} << 40)), 0);
  }
}

TEST(IntegerFunctions, LogarithmicCodesAreRounded) {
  const int64_t whole = 1 << 20;
  for (int64_t part = 1; part <= whole; part = part * 5 / 4 + 1) {
    const double exact = -std::log2(static_cast<double>(part) / static_cast<double>(whole));
    const int code = logarithmic_code(part, whole);
    if (exact < 15) {
      EXPECT_NEAR(code, exact, 0.51) << part;
    }
    EXPECT_LE(code, 15);
  }
  EXPECT_EQ(logarithmic_code(0, whole), 15);
  EXPECT_EQ(logarithmic_code(whole, whole), 0);
}

TEST(IntegerFunctions, ErfByAPolynomialServesGelu) {
  for (float x = -4; x <= 4; x += 0.1f)
    EXPECT_NEAR(x / 2 * erf_polynomial(x * 0.70710678f), x / 2 * std::erf(x * 0.70710678f), 0.02f) << x;
}

float as_stored(float x, const CodeScale& codes) {
  return codes.wide() ? decode_wide(encode_wide(x, codes), codes)
                      : decode_activation(encode_activation(x, codes), codes);
}

/// Largest difference of an operator on codes from its floating self on the same numbers, in steps of the
/// output.
float steps_apart(const OpSchema& schema, const Attributes& attributes,
                  const std::vector<Tensor>& activations, const std::vector<CodeScale>& scales,
                  const std::vector<Tensor>& constants, const CodeScale& out) {
  OpRun integer(schema, attributes), floating(schema, attributes);
  for (size_t i = 0; i < activations.size(); ++i) {
    integer.stored(activations[i], {Storage::Order::planar, {scales[i]}});
    Tensor rounded = Tensor::allocate(DType::f32, activations[i].shape());
    for (size_t k = 0; k < activations[i].span<float>().size(); ++k)
      rounded.mutable_view().span<float>()[k] = as_stored(activations[i].span<float>()[k], scales[i]);
    floating.input(rounded);
  }
  for (const Tensor& constant : constants) {
    integer.constant(Constant(constant));
    floating.constant(Constant(constant));
  }
  integer.store_outputs({{Storage::Order::planar, {out}}}).drop_outputs(1);
  floating.drop_outputs(1);
  const std::vector<float> a = floats(integer.reference()[0]), b = floats(floating.reference()[0]);
  float most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]) / out.scale);
  return most;
}

TEST(IntegerMeanings, LayerNormalization) {
  const CodeScale in = fit_codes(-4, 4), out = fit_codes(-8, 8);
  EXPECT_LT(steps_apart(*find_op("LayerNormalization"), {}, {random_tensor({3, 5, 96}, 1)}, {in},
                        {random_tensor({96}, 2), random_tensor({96}, 3)}, out),
            0.6f);
}

TEST(IntegerMeanings, LayerNormalizationOfWideCodes) {
  // One channel far beyond the others: what 8 bits cannot hold.
  for (int64_t columns : {96, 4096}) {
    Tensor x = random_tensor({7, columns}, 1);
    for (size_t row = 0; row < 7; ++row)
      x.mutable_view().span<float>()[row * static_cast<size_t>(columns)] = 500;
    const CodeScale out = fit_codes(-100, 100);
    EXPECT_LT(steps_apart(*find_op("LayerNormalization"), {}, {x}, {fit_wide_codes(-600, 600)},
                          {random_tensor({columns}, 2), random_tensor({columns}, 3)}, out),
              0.6f)
        << columns;
  }
}

TEST(IntegerMeanings, SumsOfWideCodes) {
  const CodeScale narrow = fit_codes(-3, 5), wide = fit_wide_codes(-700, 600),
                  sum = fit_wide_codes(-705, 605);
  for (const auto& [a, b] : {std::pair(narrow, wide), std::pair(wide, narrow), std::pair(wide, wide)})
    for (const CodeScale& y : {sum, fit_codes(-700, 600)})
      EXPECT_LT(steps_apart(*find_op("Add"), {},
                            {random_tensor({5, 33}, 1, 2), random_tensor({5, 33}, 2, 100)}, {a, b}, {}, y),
                0.501f)
          << Storage{Storage::Order::planar, y}.str();
}

TEST(IntegerMeanings, ASumOfWideCodesStopsAtTheirEnds) {
  const WideCodeSum sum({1, CodeScale::kWideZero}, {1, CodeScale::kWideZero}, {1, CodeScale::kWideZero});
  EXPECT_EQ(sum(32767, 1), 32767);
  EXPECT_EQ(sum(-32768, -1), -32768);
  EXPECT_EQ(sum(-7, 3), -4);
}

TEST(IntegerMeanings, Softmax) {
  const CodeScale in = fit_codes(-6, 6), out = fit_codes(0, 1);
  for (int64_t axis : {-1, 1})
    EXPECT_LT(
        steps_apart(*find_op("Softmax"), {{"axis", axis}}, {random_tensor({2, 10, 7}, 1, 2)}, {in}, {}, out),
        2.5f);
}

TEST(IntegerMeanings, Attention) {
  const CodeScale in = fit_codes(-4, 4), out = fit_codes(-3, 3);
  const std::vector<Tensor> heads = {random_tensor({1, 9, 32}, 1), random_tensor({1, 11, 32}, 2),
                                     random_tensor({1, 11, 32}, 3)};
  const Attributes attributes = {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{2}}};
  EXPECT_LT(steps_apart(*find_op("Attention"), attributes, heads, {in, in, in}, {}, out), 1.5f);
}

TEST(IntegerMeanings, AttentionByPowersOfTwo) {
  // One key far ahead of the others: its weight is 1, and nothing else is left.
  Tensor q = Tensor::from<float>({1, 1, 1, 2}, {4, 0}), k = Tensor::from<float>({1, 1, 2, 2}, {4, 0, -4, 0});
  Tensor v = Tensor::from<float>({1, 1, 2, 2}, {1, 2, -1, -2});
  const CodeScale codes = fit_codes(-4, 4);
  OpRun run(*find_op("Attention"), {{"softmax", std::string("log2")}});
  for (const Tensor& tensor : {q, k, v}) run.stored(tensor, {Storage::Order::planar, {codes}});
  run.drop_outputs(1);
  const std::vector<float> y = floats(run.reference()[0]);
  EXPECT_NEAR(y[0], 1, 0.05f);
  EXPECT_NEAR(y[1], 2, 0.05f);
}

}  // namespace
}  // namespace halftone
