#include "eval/perplexity.h"

#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

#include "base/error.h"

namespace halftone {
namespace {

TEST(Windows, DoNotOverlapAndDropTheTail) {
  std::vector<TokenId> tokens(10);
  std::iota(tokens.begin(), tokens.end(), 0);
  const auto windows = cut_windows(tokens, {4, 0});
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[1].front(), 4);
  EXPECT_EQ(windows[1].size(), 4u);
  EXPECT_EQ(cut_windows(tokens, {4, 1}).size(), 1u);
}

TEST(Windows, AShortTextIsOneWindow) {
  const std::vector<TokenId> tokens{1, 2, 3};
  const auto windows = cut_windows(tokens, {2048, 0});
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_EQ(windows[0].size(), 3u);
}

TEST(Windows, TooLittleTextIsAnError) {
  const std::vector<TokenId> tokens{1};
  EXPECT_THROW(cut_windows(tokens, {2048, 0}), InputError);
  const std::vector<TokenId> more{1, 2, 3};
  EXPECT_THROW(cut_windows(more, {1, 0}), UsageError);
}

TEST(Divergence, TokensThatCannotComeAddNothing) {
  const std::vector<float> p{0, 1, -INFINITY}, q{1, 0, -INFINITY}, bad{0, NAN, 0};
  const double both = kl_divergence(p, q);
  EXPECT_NEAR(both, kl_divergence(std::vector<float>{0, 1}, std::vector<float>{1, 0}), 1e-12);
  EXPECT_EQ(kl_divergence(p, p), 0);
  EXPECT_TRUE(std::isnan(kl_divergence(bad, q)));
}

}  // namespace
}  // namespace halftone
