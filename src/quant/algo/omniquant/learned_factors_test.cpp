#include "quant/algo/omniquant/learned_factors.h"

#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

/// Four channels, the last two tied.
LearnedFactors four_channels(float rate) {
  ScaleGroup group;
  group.absorption = Absorption{{}, {0, 1, 2, 2}};
  return LearnedFactors(std::move(group), rate);
}

TEST(LearnedFactors, TiedChannelsStepAsOne) {
  LearnedFactors factors = four_channels(0.1f);
  EXPECT_EQ(factors.factors(), (std::vector<float>{1, 1, 1, 1}));
  factors.keep();
  factors.add_slope(0, 3);
  factors.add_slope(2, 1);
  factors.add_slope(3, -5);
  factors.take_step();
  factors.take_step();  // nothing was added: no step
  const std::vector<float> stepped = factors.factors();
  EXPECT_NEAR(stepped[0], std::exp(-0.1f), 1e-5f);
  EXPECT_EQ(stepped[1], 1);
  EXPECT_NEAR(stepped[2], std::exp(0.1f), 1e-5f);
  EXPECT_EQ(stepped[3], stepped[2]);
  factors.restore();
  EXPECT_EQ(factors.factors(), (std::vector<float>{1, 1, 1, 1}));
}

// A step of Adam shows the sign of the gradient: that of a sum of coefficients times values, whose slope is
// power times the sum over the columns of a channel.
TEST(FactoredConstant, GradientOfBothEndsOfAGroup) {
  const Tensor values = random_tensor({3, 4}, 1), coefficients = random_tensor({3, 4}, 2);
  const auto v = values.span<float>(), c = coefficients.span<float>();
  for (int power : {1, -1}) {
    LearnedFactors factors = four_channels(1e-3f);
    FactoredConstant constant(values, {{&factors, 1, {0, kNoChannel, 3, 2}, power}});
    std::vector<float> written(12);
    constant.write(written, {0, 1});
    EXPECT_TRUE(std::equal(written.begin(), written.end(), v.begin()));
    constant.learn(c, {0, 1});
    constant.write(written, {1, 1});  // takes the step
    auto slope = [&](std::initializer_list<size_t> columns) {
      double sum = 0;
      for (size_t column : columns)
        for (size_t row = 0; row < 3; ++row) sum += double{c[4 * row + column]} * v[4 * row + column];
      return power * sum;
    };
    auto expected = [](double gradient) { return std::exp(gradient > 0 ? -1e-3f : 1e-3f); };
    EXPECT_NEAR(factors.factors()[0], expected(slope({0})), 1e-6f) << power;
    EXPECT_EQ(factors.factors()[1], 1) << power;
    EXPECT_NEAR(factors.factors()[2], expected(slope({2, 3})), 1e-6f) << power;
    for (size_t row = 0; row < 3; ++row) {
      const float by = factors.factors()[0];
      EXPECT_FLOAT_EQ(written[4 * row], v[4 * row] * (power > 0 ? by : 1 / by));
      EXPECT_EQ(written[4 * row + 1], v[4 * row + 1]);
    }
  }
}

}  // namespace
}  // namespace halftone
