#include "vision/detect/detection.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace halftone {
namespace {

TEST(Suppression, KeepsTheBestOfEachClass) {
  const std::vector<Detection> found = {{{0, 0, 10, 10}, 0.5f, 0},
                                        {{1, 1, 11, 11}, 0.9f, 0},  // overlaps the first by 0.68
                                        {{1, 1, 11, 11}, 0.4f, 1},  // of another class
                                        {{20, 20, 30, 30}, 0.3f, 0}};
  const auto kept = suppress_overlaps(found, 0.6f, 10);
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[0].score, 0.9f);
  EXPECT_EQ(kept[1].label, 1);
  EXPECT_EQ(kept[2].score, 0.3f);
  EXPECT_EQ(suppress_overlaps(found, 0.7f, 10).size(), 4u);
  EXPECT_EQ(suppress_overlaps(found, 0.6f, 2).size(), 2u);
}

TEST(Suppression, OverlapIsSharedOverUnion) {
  EXPECT_FLOAT_EQ(intersection_over_union({0, 0, 2, 2}, {1, 0, 3, 2}), 1.0f / 3);
  EXPECT_EQ(intersection_over_union({0, 0, 2, 2}, {2, 0, 3, 2}), 0);
}

/// Against the textbook's loop: take the best, strike out what it covers, again.
TEST(Suppression, EqualsTheTextbook) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> place(0, 50), side(5, 30), score(0, 1);
  std::vector<Detection> left;
  for (int i = 0; i < 300; ++i) {
    const float x = place(random), y = place(random);
    left.push_back({{x, y, x + side(random), y + side(random)}, score(random), i % 3});
  }
  const auto kept = suppress_overlaps(left, 0.4f, 1000);
  std::vector<Detection> expected;
  while (!left.empty()) {
    const auto best =
        *std::max_element(left.begin(), left.end(), [](auto& a, auto& b) { return a.score < b.score; });
    expected.push_back(best);
    std::erase_if(left, [&](const Detection& d) {
      return d.score == best.score ||
             (d.label == best.label && intersection_over_union(best.box, d.box) > 0.4f);
    });
  }
  ASSERT_EQ(kept.size(), expected.size());
  for (size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i].score, expected[i].score);
}

}  // namespace
}  // namespace halftone
