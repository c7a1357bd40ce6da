#include "quant/algo/int8_static/costly_layers.h"

#include <cmath>
#include <gtest/gtest.h>

namespace halftone {
namespace {

StaticActivations limits(double share, double noise) {
  StaticActivations recipe;
  recipe.floating_share = share;
  recipe.noise = noise;
  return recipe;
}

TEST(CostlyLayers, TheNoisiestStayFloatingUntilTheRestIsQuiet) {
  const std::vector<LayerCost> layers = {{0.004, 10}, {0.5, 10}, {0.003, 10}, {0.02, 10}};
  EXPECT_EQ(choose_floating(layers, limits(1, 20)), (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(choose_floating(layers, limits(1, 10)), (std::vector<bool>{false, true, false, false}));
  EXPECT_EQ(choose_floating(layers, limits(0, 20)), (std::vector<bool>(4)));
}

TEST(CostlyLayers, ALayerThatIsTooLargeIsPassedOver) {
  const std::vector<LayerCost> layers = {{0.5, 80}, {0.4, 10}, {0.3, 5}, {0, 5}};
  EXPECT_EQ(choose_floating(layers, limits(0.2, 40)), (std::vector<bool>{false, true, true, false}));
}

TEST(CostlyLayers, ALayerWithoutBoundsIsNotAllThatStays) {
  const std::vector<LayerCost> layers = {{HUGE_VAL, 10}, {0.5, 10}, {0.003, 10}};
  EXPECT_EQ(choose_floating(layers, limits(1, 20)), (std::vector<bool>{true, true, false}));
}

}  // namespace
}  // namespace halftone
