#include "llm/sampler.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"

namespace halftone {
namespace {

/// Temperature 1 and no filters: draws from softmax(logits).
SamplingOptions plain(uint64_t seed = 1) {
  return {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .repeat_penalty = 1, .seed = seed};
}

std::vector<float> logits_of(std::initializer_list<double> probabilities) {
  std::vector<float> logits;
  for (double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::map<TokenId, double> frequencies(const SamplingOptions& options, std::span<const float> logits,
                                      int draws = 20000) {
  Sampler sampler(options);
  std::map<TokenId, double> share;
  for (int i = 0; i < draws; ++i) share[sampler.sample(logits, {})] += 1.0 / draws;
  return share;
}

TEST(Sampler, GreedyTakesTheLargestAndTheSmallerIdOfEquals) {
  Sampler sampler({.temperature = 0});
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 3, 2}, {}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{-5, -4, -INFINITY}, {}), 1);
}

TEST(Sampler, DrawsFromTheSoftmax) {
  const auto logits = logits_of({0.5, 0.3, 0.15, 0.05});
  const auto share = frequencies(plain(), logits);
  // Four standard deviations of a share of 0.5 over 20000 draws: 0.014.
  EXPECT_NEAR(share.at(0), 0.5, 0.014);
  EXPECT_NEAR(share.at(1), 0.3, 0.014);
  EXPECT_NEAR(share.at(2), 0.15, 0.014);
  EXPECT_NEAR(share.at(3), 0.05, 0.014);
}

TEST(Sampler, TemperatureSharpensTheDistribution) {
  SamplingOptions options = plain();
  options.temperature = 0.5f;  // probabilities squared, then normalised: 0.25 : 0.09 : 0.04
  const auto share = frequencies(options, logits_of({0.5, 0.3, 0.2}));
  EXPECT_NEAR(share.at(0), 0.25 / 0.38, 0.014);
  EXPECT_NEAR(share.at(2), 0.04 / 0.38, 0.014);
}

TEST(Sampler, TopKKeepsTheLikeliest) {
  SamplingOptions options = plain();
  options.top_k = 2;
  const auto share = frequencies(options, logits_of({0.1, 0.5, 0.1, 0.3}));
  EXPECT_EQ(share.size(), 2u);
  EXPECT_NEAR(share.at(1), 0.625, 0.014);
  EXPECT_NEAR(share.at(3), 0.375, 0.014);
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  SamplingOptions options = plain();
  options.top_p = 0.75f;
  const auto share = frequencies(options, logits_of({0.05, 0.3, 0.5, 0.15}));
  EXPECT_EQ(share.size(), 2u);
  EXPECT_NEAR(share.at(2), 0.625, 0.014);
  options.top_p = 0;  // never less than the likeliest one
  EXPECT_EQ(frequencies(options, logits_of({0.4, 0.6}), 100).size(), 1u);
}

TEST(Sampler, TopPOverManyTokensNeedsSeveralPortions) {
  // 1000 equally likely tokens of 5000: no portion of 64 holds 90 % of the probability.
  std::vector<float> logits(5000, -20.0f);
  for (size_t i = 0; i < 1000; ++i) logits[i * 5] = 0;
  SamplingOptions options = plain();
  options.top_p = 0.9f;
  Sampler sampler(options);
  std::set<TokenId> seen;
  for (int i = 0; i < 5000; ++i) seen.insert(sampler.sample(logits, {}));
  EXPECT_GT(seen.size(), 870u);
  EXPECT_LE(seen.size(), 901u);
  for (TokenId id : seen) EXPECT_EQ(id % 5, 0);
}

TEST(Sampler, MinPIsRelativeToTheLikeliest) {
  SamplingOptions options = plain();
  options.min_p = 0.4f;
  EXPECT_EQ(frequencies(options, logits_of({0.5, 0.3, 0.15, 0.05})).size(), 2u);
}

TEST(Sampler, RepetitionPenaltyCountsATokenOnce) {
  SamplingOptions options{.temperature = 0, .repeat_penalty = 2};
  Sampler sampler(options);
  const std::vector<float> logits = {3, 2, -1, -1.5f};
  EXPECT_EQ(sampler.sample(logits, std::vector<TokenId>{0}), 1);        // 1.5 against 2
  EXPECT_EQ(sampler.sample(logits, std::vector<TokenId>{0, 1, 1}), 0);  // 1.5 against 1
  EXPECT_EQ(sampler.sample(std::vector<float>{-1, -1.5f}, std::vector<TokenId>{0}), 1);
  EXPECT_EQ(sampler.sample(logits, std::vector<TokenId>{99, -1}), 0);
}

TEST(Sampler, TheSameSeedDrawsTheSameTokens) {
  const std::vector<float> logits(1000, 0.0f);
  auto draw = [&](uint64_t seed) {
    SamplingOptions options;
    options.seed = seed;
    Sampler sampler(options);
    std::vector<TokenId> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(sampler.sample(logits, {}));
    return ids;
  };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
}

TEST(Sampler, TheGeneratorIsSplitMix64) {
  // The first outputs of SplitMix64 for seed 0: 0xe220a8397b1dcdaf = 0.8833..., 0x6e789e6aa1b965f4 =
  // 0.4315...
  std::vector<float> logits(10000, 0.0f);
  Sampler sampler(plain(0));
  EXPECT_EQ(sampler.sample(logits, {}), 8833);
  EXPECT_EQ(sampler.sample(logits, {}), 4315);
}

TEST(Sampler, RefusesUnsoundLogitsAndOptions) {
  Sampler sampler(plain());
  EXPECT_THROW(sampler.sample(std::vector<float>{0, NAN}, {}), InputError);
  EXPECT_THROW(sampler.sample(std::vector<float>{-INFINITY, -INFINITY}, {}), InputError);
  EXPECT_EQ(sampler.sample(std::vector<float>{0, INFINITY}, {}), 1);
  EXPECT_THROW(check({.temperature = -1}), UsageError);
  EXPECT_THROW(check({.temperature = NAN}), UsageError);
  EXPECT_THROW(check({.top_p = 1.5f}), UsageError);
  EXPECT_THROW(check({.top_k = -1}), UsageError);
}

}  // namespace
}  // namespace halftone
