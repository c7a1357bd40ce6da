#include "eval/draw_samples.h"

#include <gtest/gtest.h>
#include <numeric>

namespace halftone {
namespace {

TEST(DrawSamples, DrawsSoManyInOrderAndOthersUnderAnotherSeed) {
  std::vector<int> items(100);
  std::iota(items.begin(), items.end(), 0);
  const std::vector<int> drawn = draw_samples(items, 20, 1);
  EXPECT_EQ(drawn.size(), 20u);
  EXPECT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
  EXPECT_EQ(drawn, draw_samples(items, 20, 1));
  EXPECT_NE(drawn, draw_samples(items, 20, 2));
  EXPECT_EQ(draw_samples(items, 1000, 1), items);
}

TEST(DrawSamples, IsFair) {
  std::vector<int> counts(10);
  for (uint64_t seed = 0; seed < 3000; ++seed)
    for (int item : draw_samples(std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 3, seed))
      ++counts[static_cast<size_t>(item)];
  for (int count : counts) EXPECT_NEAR(count, 900, 120);
}

}  // namespace
}  // namespace halftone
