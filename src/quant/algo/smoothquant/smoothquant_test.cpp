#include "quant/algo/smoothquant/smoothquant.h"

#include <cmath>
#include <gtest/gtest.h>

namespace halftone {
namespace {

TEST(SmoothQuant, FactorsBalanceActivationsAndWeights) {
  const auto factors = smooth_factors(std::vector<float>{16, 1, 0, 4}, std::vector<float>{1, 4, 1, 0}, 0.5);
  EXPECT_FLOAT_EQ(factors[0], 4);
  EXPECT_FLOAT_EQ(factors[1], 0.5);
  EXPECT_FLOAT_EQ(factors[2], 1);  // a dead channel
  EXPECT_FLOAT_EQ(factors[3], 1);  // weights of nothing but zeros
  EXPECT_FLOAT_EQ(smooth_factors(std::vector<float>{16}, std::vector<float>{4}, 0.75)[0],
                  8 / std::sqrt(2.0f));
  EXPECT_FLOAT_EQ(smooth_factors(std::vector<float>{16}, std::vector<float>{4}, 0)[0], 0.25);
}

TEST(SmoothQuant, WeightsOfALayerByInput) {
  std::vector<float> largest(2);
  include_largest_weights(Tensor::from<float>({3, 2}, {1, -2, 3, 0, -4, 1}), 1, largest);
  EXPECT_EQ(largest, (std::vector<float>{4, 2}));
  include_largest_weights(Tensor::from<float>({2, 2}, {5, 0, 0, 1}), 0, largest);
  EXPECT_EQ(largest, (std::vector<float>{5, 2}));
  std::vector<float> channels(2);
  include_largest_weights(Tensor::from<float>({1, 2, 2}, {1, -7, 2, 3}), 1, channels);
  EXPECT_EQ(channels, (std::vector<float>{7, 3}));
}

}  // namespace
}  // namespace halftone
