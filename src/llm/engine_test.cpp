#include "llm/engine.h"

#include <gtest/gtest.h>
#include <numeric>

#include "base/error.h"
#include "llm/test_model.h"

namespace halftone {
namespace {

std::vector<TokenId> some_tokens(int count, int seed = 1) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back((i * i * 7 + i * 3 + seed) % 40);
  return tokens;
}

EngineOptions exact_cache(int chunk = 512) {
  EngineOptions options;
  options.kv_format = KvFormat::f32;
  options.chunk = chunk;
  return options;
}

std::vector<float> logits_after(Engine& engine, std::span<const TokenId> tokens) {
  Sequence sequence = engine.new_sequence();
  const auto logits = engine.append(sequence, tokens);
  return {logits.begin(), logits.end()};
}

void expect_near(std::span<const float> a, std::span<const float> b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5) << i;
}

class EngineTest : public testing::Test {
 protected:
  ThreadPool threads_{2};
};

TEST_F(EngineTest, PrefillInChunksEqualsPrefillAtOnce) {
  Engine whole(random_llama(), exact_cache(), threads_);
  const auto tokens = some_tokens(50);
  const auto expected = logits_after(whole, tokens);
  EXPECT_EQ(expected.size(), 40u);
  for (int chunk : {1, 7, 32, 49}) {
    Engine chunked(random_llama(), exact_cache(chunk), threads_);
    expect_near(logits_after(chunked, tokens), expected);
  }
}

TEST_F(EngineTest, SequencesSideBySideEqualEachAlone) {
  EngineOptions options = exact_cache();
  options.sequences = 2;
  Engine engine(random_llama(), options, threads_);
  const auto one = some_tokens(20, 1), two = some_tokens(33, 5);
  const auto expected_one = logits_after(engine, one), expected_two = logits_after(engine, two);

  Sequence first = engine.new_sequence(), second = engine.new_sequence();
  // The first is ahead by some tokens when they meet in one run.
  engine.append(first, std::span(one).first(11));
  const Engine::Feed feeds[] = {{&first, std::span(one).subspan(11), 1}, {&second, two, 2}};
  const TensorView logits = engine.run(feeds);
  EXPECT_EQ(logits.shape, (Shape{3, 40}));
  expect_near(logits.span<float>().first(40), expected_one);
  expect_near(logits.span<float>().last(40), expected_two);
}

TEST_F(EngineTest, ATruncatedSequenceGoesOnFromThere) {
  Engine engine(random_llama(), exact_cache(), threads_);
  const auto tokens = some_tokens(40);
  const auto expected = logits_after(engine, tokens);
  Sequence sequence = engine.new_sequence();
  engine.append(sequence, std::span(tokens).first(25));
  engine.append(sequence, some_tokens(20, 9));
  sequence.truncate(25);
  EXPECT_EQ(sequence.length(), 25);
  expect_near(engine.append(sequence, std::span(tokens).subspan(25)), expected);
}

TEST_F(EngineTest, TheContextIsALimit) {
  EngineOptions options = exact_cache();
  options.context = 30;
  Engine engine(random_llama(), options, threads_);
  Sequence sequence = engine.new_sequence();
  engine.append(sequence, some_tokens(29));
  try {
    engine.append(sequence, some_tokens(2));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "the text has 31 tokens, but the context holds 30");
  }
  EXPECT_EQ(sequence.length(), 29);
  engine.append(sequence, some_tokens(1));
  options.context = 65;
  EXPECT_THROW(Engine(random_llama(), options, threads_), UsageError);
}

TEST_F(EngineTest, AFullCacheLeavesSequencesAsTheyWere) {
  EngineOptions options = exact_cache();
  options.context = 64;  // two blocks
  Engine engine(random_llama(), options, threads_);
  Sequence first = engine.new_sequence(), second = engine.new_sequence();
  engine.append(first, some_tokens(40));
  EXPECT_THROW(engine.append(second, some_tokens(5)), ResourceError);
  EXPECT_EQ(second.length(), 0);
  first.truncate(20);
  engine.append(second, some_tokens(5));
  EXPECT_EQ(engine.blocks().free(), 0);
}

TEST_F(EngineTest, RefusesTokensOutsideTheVocabulary) {
  Engine engine(random_llama(), exact_cache(), threads_);
  Sequence sequence = engine.new_sequence();
  EXPECT_THROW(engine.append(sequence, std::vector<TokenId>{1, 40}), InputError);
  EXPECT_THROW(engine.append(sequence, std::vector<TokenId>{-1}), InputError);
  EXPECT_EQ(engine.blocks().free(), engine.blocks().total());
}

TEST_F(EngineTest, RoundedCachesStayClose) {
  Engine exact(random_llama(), exact_cache(), threads_);
  const auto tokens = some_tokens(50);
  const auto expected = logits_after(exact, tokens);
  for (const auto& [format, bound] : {std::pair{KvFormat::f16, 0.01},
                                      {KvFormat::bf16, 0.1},
                                      {KvFormat::int8, 0.1},
                                      {KvFormat::int8_channel, 0.1},
                                      {KvFormat::int4, 0.5}}) {
    EngineOptions options = exact_cache();
    options.kv_format = format;
    options.kv_residual = 0;
    Engine engine(random_llama(), options, threads_);
    const auto logits = logits_after(engine, tokens);
    for (size_t i = 0; i < logits.size(); ++i)
      EXPECT_NEAR(logits[i], expected[i], bound) << kv_format_name(format);
  }
}

}  // namespace
}  // namespace halftone
