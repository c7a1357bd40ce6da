#include "eval/layer_compare.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace halftone {
namespace {

TEST(ClosenessMeter, AWorkedExample) {
  ClosenessMeter meter;
  meter.add(Tensor::from<float>({2}, {3, 5}).view(), Tensor::from<float>({2}, {3, 4}).view());
  const Closeness closeness = meter.result();
  EXPECT_NEAR(closeness.sqnr_db, 10 * std::log10(25.0), 1e-12);
  EXPECT_NEAR(closeness.cosine, 29 / (5 * std::sqrt(34.0)), 1e-12);
  EXPECT_EQ(closeness.max_error, 1);
  EXPECT_FALSE(closeness.rescaled);
}

TEST(ClosenessMeter, RescaledChannelsAreComparedAfterTheirFactors) {
  const Tensor wanted = Tensor::from<float>({2, 2}, {2, 10, 4, -30});
  // Channel 0 was halved, with an error in its last value; channel 1 is as it was.
  const Tensor made = Tensor::from<float>({2, 2}, {1, 10, 1.5f, -30});
  ClosenessMeter plain, by_channel(1);
  plain.add(made.view(), wanted.view());
  by_channel.add(made.view(), wanted.view());
  EXPECT_NEAR(plain.result().sqnr_db, 10 * std::log10(1020 / 7.25), 1e-9);
  const double factor = 8 / 3.25;  // least squares
  const double error = std::pow(2 - factor, 2) + std::pow(4 - 1.5 * factor, 2);
  EXPECT_TRUE(by_channel.result().rescaled);
  EXPECT_NEAR(by_channel.result().sqnr_db, 10 * std::log10(1020 / error), 1e-9);
}

TEST(ClosenessMeter, SmallDifferencesAreErrorsNotFactors) {
  ClosenessMeter by_channel(1);
  by_channel.add(Tensor::from<float>({1, 2}, {9.6f, 5}).view(), Tensor::from<float>({1, 2}, {10, 5}).view());
  EXPECT_FALSE(by_channel.result().rescaled);
  EXPECT_NEAR(by_channel.result().sqnr_db, 10 * std::log10(125 / 0.16), 1e-4);
}

/// A layer that overflowed is the worst there is, wherever it stands.
TEST(ClosenessMeter, WhatIsNotFiniteIsTheWorst) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto measured = [](float made, float wanted) {
    ClosenessMeter meter;
    meter.add(Tensor::from<float>({2}, {made, 5}).view(), Tensor::from<float>({2}, {wanted, 5}).view());
    return meter.result();
  };
  for (const Closeness& broken : {measured(NAN, 1), measured(kInfinity, 1), measured(1, -kInfinity),
                                  measured(NAN, NAN), measured(kInfinity, -kInfinity)}) {
    EXPECT_EQ(broken.sqnr_db, -std::numeric_limits<double>::infinity());
    EXPECT_EQ(broken.max_error, std::numeric_limits<double>::infinity());
  }
  const Closeness masked = measured(-kInfinity, -kInfinity);
  EXPECT_EQ(masked.sqnr_db, std::numeric_limits<double>::infinity());
  EXPECT_EQ(masked.cosine, 1);
  EXPECT_EQ(masked.max_error, 0);

  const std::vector<LayerDifference> sorted = worst_first(
      {{"good", "", measured(3, 3.1f)}, {"broken", "", measured(NAN, 1)}, {"exact", "", measured(1, 1)}});
  EXPECT_EQ(sorted.front().layer, "broken");
  EXPECT_EQ(sorted.back().layer, "exact");
}

}  // namespace
}  // namespace halftone
