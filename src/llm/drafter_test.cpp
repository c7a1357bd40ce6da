#include "llm/drafter.h"

#include <gtest/gtest.h>

#include "llm/test_model.h"

namespace halftone {
namespace {

std::vector<TokenId> ngram(const std::vector<TokenId>& text, int count = 4) {
  return NgramDrafter().guess(text, count, Sampler({}));
}

TEST(NgramDrafter, GuessesWhatFollowedTheSameTokens) {
  EXPECT_EQ(ngram({1, 2, 3, 4, 5, 6, 1, 2}), (std::vector<TokenId>{3, 4, 5, 6}));
  EXPECT_EQ(ngram({1, 2, 3, 4, 5, 6, 1, 2}, 2), (std::vector<TokenId>{3, 4}));
}

TEST(NgramDrafter, PrefersTheLongestMatchThenTheLatest) {
  EXPECT_EQ(ngram({7, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2}, 1), (std::vector<TokenId>{3}));
  EXPECT_EQ(ngram({1, 2, 3, 1, 2, 4, 1, 2}, 1), (std::vector<TokenId>{4}));
}

TEST(NgramDrafter, GoesRoundInALoop) {
  EXPECT_EQ(ngram({5, 1, 2, 1, 2, 1, 2}, 3), (std::vector<TokenId>{1, 2}));
}

TEST(NgramDrafter, HasNoIdeaWhereNothingRepeats) {
  EXPECT_TRUE(ngram({}).empty());
  EXPECT_TRUE(ngram({1}).empty());
  EXPECT_TRUE(ngram({1, 1}).empty());
  EXPECT_TRUE(ngram({1, 2, 3, 4, 5, 1}).empty()) << "one token is no match";
}

TEST(ModelDrafter, GuessesWhatItsModelWouldWrite) {
  ThreadPool threads(1);
  EngineOptions options;
  options.kv_format = KvFormat::f32;
  Engine engine(random_llama(), options, threads);
  ModelDrafter drafter(std::make_unique<Engine>(random_llama(), options, threads));
  const SamplingOptions sampling{.temperature = 1, .seed = 5};
  for (const std::vector<TokenId>& text : {std::vector<TokenId>{1, 2, 3}, {1, 2, 9, 9}, {1, 2, 9}}) {
    Sampler sampler(sampling);
    Sequence sequence = engine.new_sequence();
    std::vector<TokenId> history = text, expected;
    auto logits = engine.append(sequence, text);
    for (int i = 0; i < 4; ++i) {
      expected.push_back(sampler.sample(logits, history));
      history.push_back(expected.back());
      logits = engine.append(sequence, {&expected.back(), 1});
    }
    EXPECT_EQ(drafter.guess(text, 4, Sampler(sampling)), expected);
  }
}

TEST(ModelDrafter, GuessesNothingAfterATokenThatItDoesNotHave) {
  ThreadPool threads(1);
  ModelDrafter drafter(std::make_unique<Engine>(random_llama(), EngineOptions(), threads));
  EXPECT_TRUE(drafter.guess(std::vector<TokenId>{1, 2, 40, 3}, 4, Sampler({})).empty());
  EXPECT_EQ(drafter.guess(std::vector<TokenId>{1, 2, 3}, 4, Sampler({})).size(), 4u);
}

TEST(ModelDrafter, GuessesNothingBeyondItsContext) {
  ThreadPool threads(1);
  ModelDrafter drafter(std::make_unique<Engine>(random_llama(), EngineOptions(), threads));
  EXPECT_EQ(drafter.guess(std::vector<TokenId>(63, 1), 4, Sampler({})).size(), 2u);
  EXPECT_EQ(drafter.guess(std::vector<TokenId>(64, 1), 4, Sampler({})).size(), 1u);
  EXPECT_TRUE(drafter.guess(std::vector<TokenId>(65, 1), 4, Sampler({})).empty());
}

}  // namespace
}  // namespace halftone
