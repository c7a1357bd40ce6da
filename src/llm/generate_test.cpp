#include "llm/generate.h"

#include <cctype>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "llm/load_llm.h"
#include "llm/test_model.h"

namespace halftone {
namespace {

/// 40 tokens: the bytes of "é" and "€" apart, so that characters come in pieces, and letters.
std::unique_ptr<Tokenizer> byte_tokenizer() {
  Json vocabulary = Json::object();
  // The byte-level alphabet writes bytes C3 A9 E2 82 AC as Ã © â Ĥ ¬.
  for (const char* piece : {"Ã", "©", "â", "Ĥ", "¬"}) vocabulary[piece] = vocabulary.size();
  for (char letter = 'A'; vocabulary.size() < 40; ++letter)
    if (std::isalpha(static_cast<unsigned char>(letter)))
      vocabulary[std::string(1, letter)] = vocabulary.size();
  const Json file = {
      {"version", "1.0"},
      {"added_tokens", Json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}}}};
  return parse_tokenizer_json(file.dump(), "test");
}

bool is_utf8(const std::string& text) {
  try {
    (void)Json(text).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

EngineOptions exact_cache() {
  EngineOptions options;
  options.kv_format = KvFormat::f32;
  return options;
}

class GenerateTest : public testing::Test {
 protected:
  GenerateTest() {
    options_.sampling = {.temperature = 1.5f, .top_k = 0, .top_p = 1, .seed = 3};
    options_.max_tokens = 40;
  }
  Generation run(const std::vector<TokenId>& prompt) {
    return generate(engine_, sequence_, *tokenizer_, prompt, options_, [&](std::string_view text) {
      shown_.emplace_back(text);
      return true;
    });
  }

  ThreadPool threads_{2};
  Engine engine_{random_llama(), exact_cache(), threads_};
  Sequence sequence_ = engine_.new_sequence();
  std::unique_ptr<Tokenizer> tokenizer_ = byte_tokenizer();
  GenerationOptions options_;
  std::vector<std::string> shown_;
};

TEST_F(GenerateTest, ShowsWholeCharactersThatAddUpToTheText) {
  int pieces_of_characters = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    options_.sampling.seed = seed;
    shown_.clear();
    const std::vector<TokenId> prompt = {10, 11};
    const Generation result = run(prompt);
    std::string all;
    for (const std::string& part : shown_) {
      EXPECT_TRUE(is_utf8(part));
      all += part;
    }
    EXPECT_EQ(all, result.text);
    EXPECT_EQ(result.text, tokenizer_->decode(result.tokens));
    for (TokenId id : result.tokens) pieces_of_characters += id < 5;
  }
  EXPECT_GT(pieces_of_characters, 20);
}

// A decoder that gives a piece with the next one only gives the prompt's last with the first of the answer.
TEST_F(GenerateTest, TextThatADecoderHoldsBackOfThePromptIsNotTheAnswers) {
  Json vocabulary = Json::object();
  for (int id = 0; id < 40; ++id) vocabulary[fmt::format("w{}</w>", id)] = id;
  Json file = {{"version", "1.0"},
               {"decoder", {{"type", "BPEDecoder"}, {"suffix", "</w>"}}},
               {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}}}};
  const std::vector<TokenId> prompt = {10, 11};
  for (const bool whole : {false, true}) {
    if (whole)
      file["decoder"] = {
          {"type", "Sequence"},
          {"decoders",
           {{{"type", "Fuse"}}, {{"type", "Replace"}, {"pattern", {{"String", "</w>"}}}, {"content", " "}}}}};
    tokenizer_ = parse_tokenizer_json(file.dump(), "test");
    const Generation result = run(prompt);
    std::vector<TokenId> all = prompt;
    all.insert(all.end(), result.tokens.begin(), result.tokens.end());
    EXPECT_EQ(tokenizer_->decode(prompt) + result.text, tokenizer_->decode(all));
  }
}

TEST_F(GenerateTest, TheSameSeedGivesTheSameTokens) {
  const auto first = run({1, 2, 3}).tokens;
  EXPECT_EQ(run({1, 2, 3}).tokens, first);
  options_.sampling.seed = 4;
  EXPECT_NE(run({1, 2, 3}).tokens, first);
}

TEST_F(GenerateTest, WhatTheCacheHoldsIsNotRunAgain) {
  const std::vector<TokenId> prompt = {5, 6, 7, 8};
  const Generation first = run(prompt);
  EXPECT_EQ(first.stats.reused_tokens, 0);
  EXPECT_EQ(sequence_.length(), 4 + 39);  // the last token was not run
  std::vector<TokenId> longer = prompt;
  longer.insert(longer.end(), first.tokens.begin(), first.tokens.begin() + 10);
  longer.push_back(30);
  const Generation second = run(longer);
  EXPECT_GE(second.stats.reused_tokens, 14);
  Sequence fresh = engine_.new_sequence();
  sequence_.truncate(0);
  const Generation alone = generate(engine_, fresh, *tokenizer_, longer, options_);
  EXPECT_EQ(alone.stats.reused_tokens, 0);
  EXPECT_EQ(second.tokens, alone.tokens);
}

TEST_F(GenerateTest, EndTokensStopStringsAndLimitsEndTheText) {
  const Generation free = run({9, 9});
  EXPECT_EQ(free.reason, StopReason::max_tokens);
  EXPECT_EQ(free.stats.generated_tokens, 40);
  ASSERT_EQ(free.tokens.size(), 40u);

  options_.end_tokens = {free.tokens[5]};
  const Generation ended = run({9, 9});
  EXPECT_EQ(ended.reason, StopReason::end_token);
  EXPECT_LE(ended.tokens.size(), 5u);
  options_.end_tokens.clear();

  const size_t letter = free.text.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  ASSERT_NE(letter, std::string::npos);
  options_.stops = {free.text.substr(letter, 1)};
  const Generation stopped = run({9, 9});
  EXPECT_EQ(stopped.reason, StopReason::stop_string);
  EXPECT_EQ(stopped.text, free.text.substr(0, letter));
  options_.stops.clear();

  options_.max_tokens = 0;
  const Generation full = run({9, 9});
  EXPECT_EQ(full.reason, StopReason::context_full);
  EXPECT_EQ(full.tokens.size(), 64u - 2 + 1);  // the last one needs no room
}

TEST_F(GenerateTest, RefusesPromptsThatDoNotFit) {
  EXPECT_THROW(run({}), InputError);
  EXPECT_THROW(run(std::vector<TokenId>(65, 1)), InputError);
  EXPECT_NO_THROW(run(std::vector<TokenId>(64, 1)));
}

TEST_F(GenerateTest, StopsWhenToldSo) {
  const auto no = [](std::string_view) { return false; };
  const Generation result =
      generate(engine_, sequence_, *tokenizer_, std::vector<TokenId>{9, 20}, options_, no);
  EXPECT_EQ(result.reason, StopReason::cancelled);
  EXPECT_LT(result.tokens.size(), 40u);
}

/// Guesses by a vocabulary that is larger than the model's.
class StrayDrafter : public Drafter {
 public:
  std::string_view name() const override { return "stray"; }
  std::vector<TokenId> guess(std::span<const TokenId>, int, Sampler) override { return {1, 40}; }
};

TEST_F(GenerateTest, GuessesOutsideTheVocabularyChangeNothing) {
  const Generation plain = run({9, 9});
  StrayDrafter drafter;
  options_.drafter = &drafter;
  EXPECT_EQ(run({9, 9}).tokens, plain.tokens);
}

TEST(SamplingFrom, ReadsGenerationConfigs) {
  EXPECT_EQ(sampling_from(Json::object(), "test").temperature, 0.8f);
  EXPECT_EQ(sampling_from({{"do_sample", false}, {"temperature", 0.5}}, "test").temperature, 0);
  const SamplingOptions plain = sampling_from({{"do_sample", true}}, "test");
  EXPECT_EQ(plain.temperature, 1);
  EXPECT_EQ(plain.top_k, 50);
  EXPECT_EQ(plain.top_p, 1);
  const SamplingOptions given = sampling_from(
      {{"do_sample", true}, {"temperature", 0.6}, {"top_p", 0.9}, {"top_k", 20}, {"repetition_penalty", 1.1}},
      "test");
  EXPECT_FLOAT_EQ(given.temperature, 0.6f);
  EXPECT_FLOAT_EQ(given.top_p, 0.9f);
  EXPECT_EQ(given.top_k, 20);
  EXPECT_FLOAT_EQ(given.repeat_penalty, 1.1f);
  EXPECT_THROW(sampling_from({{"top_p", 7}}, "test"), InputError);
  EXPECT_THROW(sampling_from({{"top_p", "high"}}, "test"), InputError);
}

}  // namespace
}  // namespace halftone
