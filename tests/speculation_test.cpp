#include <cmath>
#include <gtest/gtest.h>
#include <map>

#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "llm/generate.h"
#include "llm/load_llm.h"
#include "llm/test_model.h"
#include "quant/quantize_graph.h"
#include "shared_files.h"

namespace halftone {
namespace {

EngineOptions on_cpu(KvFormat kv = KvFormat::f16, bool exact = false) {
  EngineOptions options;
  options.backend = &cpu_backend();
  options.kv_format = kv;
  options.exact = exact;
  return options;
}

/// Guesses that are right half of the time, by knowing the answer.
class Oracle : public Drafter {
 public:
  Oracle(std::vector<TokenId> text, int64_t vocab) : text_(std::move(text)), vocab_(vocab) {}
  std::string_view name() const override { return "oracle"; }
  std::vector<TokenId> guess(std::span<const TokenId> text, int count, Sampler) override {
    std::vector<TokenId> guesses;
    for (size_t i = text.size(); i < text_.size() && count-- > 0; ++i) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      const bool right = (state_ >> 40) % 4 != 0;
      guesses.push_back(right ? text_[i] : static_cast<TokenId>((text_[i] + 1) % vocab_));
    }
    return guesses;
  }

 private:
  std::vector<TokenId> text_;
  int64_t vocab_;
  uint64_t state_ = 1;
};

class SpeculationTest : public testing::Test {
 protected:
  std::unique_ptr<Engine> engine(const char* recipe, const EngineOptions& options,
                                 const char* folder = "llm") {
    LlmModel model = load_llm(source_path("zoo") / folder);
    tokenizer_ = model.tokenizer;
    if (*recipe) quantize_graph(model.graph, find_recipe(recipe));
    return std::make_unique<Engine>(std::move(model.graph), options, threads_);
  }
  Generation run(Engine& engine, std::span<const TokenId> prompt, float temperature, uint64_t seed,
                 Drafter* drafter, int draft_tokens = 4) {
    GenerationOptions options;
    options.sampling = {.temperature = temperature, .top_k = 40, .seed = seed};
    options.max_tokens = 48;
    options.drafter = drafter;
    options.draft_tokens = draft_tokens;
    Sequence sequence = engine.new_sequence();
    const Generation result = generate(engine, sequence, *tokenizer_, prompt, options);
    EXPECT_EQ(sequence.length(), result.stats.prompt_tokens + result.stats.generated_tokens - 1);
    return result;
  }

  ThreadPool threads_{2};
  std::shared_ptr<const Tokenizer> tokenizer_;
};

// What makes guesses harmless: a run of up to 8 tokens computes each row as it would compute it alone.
TEST_F(SpeculationTest, RowsOfARunEqualRunsOfOneRowBitForBit) {
  for (const char* recipe : {"", "rtn-w8", "rtn-w4g32", "rtn-w4g128-affine", "nf4"})
    for (KvFormat kv : {KvFormat::f16, KvFormat::int8})
      for (bool exact : {false, true}) {
        const auto tested = engine(recipe, on_cpu(kv, exact));
        const std::vector<TokenId> text = tokenizer_->encode("Once there was a king who had three sons.");
        Sequence one = tested->new_sequence(), eight = tested->new_sequence();
        std::vector<float> expected;
        const std::span<const TokenId> all(text), last = all.last(kMostDraftTokens + 1);
        tested->append(one, all.first(all.size() - last.size()));
        tested->append(eight, all.first(all.size() - last.size()));
        for (const TokenId& id : last) {
          const auto logits = tested->append(one, {&id, 1});
          expected.insert(expected.end(), logits.begin(), logits.end());
        }
        const Engine::Feed feed{&eight, last, static_cast<int>(last.size())};
        const auto found = tested->run({&feed, 1}).span<float>();
        EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.begin(), expected.end()))
            << recipe << ' ' << kv_format_name(kv) << (exact ? " exact" : "");
      }
}

TEST_F(SpeculationTest, AnswersAreThoseWithoutGuessing) {
  for (const auto& [recipe, kv] : {std::pair("", KvFormat::f16), {"rtn-w4g32", KvFormat::int8}}) {
    const auto tested = engine(recipe, on_cpu(kv));
    const std::vector<TokenId> prompt =
        tokenizer_->encode("Once upon a time there was a fox. Once upon a time");
    NgramDrafter ngram;
    ModelDrafter model(engine("", on_cpu(), "llm-draft"));
    for (float temperature : {0.0f, 0.9f})
      for (uint64_t seed = 0; seed < 2; ++seed) {
        const Generation plain = run(*tested, prompt, temperature, seed, nullptr);
        std::vector<TokenId> answer = prompt;
        answer.insert(answer.end(), plain.tokens.begin(), plain.tokens.end());
        Oracle oracle(answer, tested->info().vocab);
        for (Drafter* drafter :
             {static_cast<Drafter*>(&ngram), static_cast<Drafter*>(&model), static_cast<Drafter*>(&oracle)})
          for (int draft_tokens : {2, kMostDraftTokens}) {
            const Generation guessed = run(*tested, prompt, temperature, seed, drafter, draft_tokens);
            EXPECT_EQ(guessed.tokens, plain.tokens) << drafter->name() << " seed " << seed;
            EXPECT_EQ(guessed.text, plain.text);
            EXPECT_EQ(guessed.reason, plain.reason);
          }
      }
  }
}

TEST_F(SpeculationTest, AFourBitCacheIsNotCutIntoByGuesses) {
  EngineOptions options = on_cpu(KvFormat::int4);
  options.kv_residual = 32;
  const auto tested = engine("", options);
  const std::vector<TokenId> prompt = tokenizer_->encode(
      "There was once a miller who was poor, but he had a beautiful daughter, and one day it came to pass");
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const Generation plain = run(*tested, prompt, 0.7f, seed, nullptr);
    std::vector<TokenId> answer = prompt;
    answer.insert(answer.end(), plain.tokens.begin(), plain.tokens.end());
    Oracle oracle(answer, tested->info().vocab);
    EXPECT_EQ(run(*tested, prompt, 0.7f, seed, &oracle, kMostDraftTokens).tokens, plain.tokens);
  }
}

// The draws themselves, against the probabilities that the logits state.
TEST_F(SpeculationTest, DrawsAreDistributedAsTheModelSays) {
  ThreadPool one_thread(1);
  Engine tested(random_llama(), on_cpu(KvFormat::f32), one_thread);
  ModelDrafter drafter(std::make_unique<Engine>(random_llama(2), on_cpu(KvFormat::f32), one_thread));
  const auto& model = load_llm(source_path("zoo/llm-draft"));
  const std::vector<TokenId> prompt = {1, 2, 3};
  constexpr int kDraws = 2000, kTokens = 6, kTopK = 3;
  constexpr float kTemperature = 0.3f;  // narrow enough that whole answers repeat
  GenerationOptions options;
  options.max_tokens = kTokens;
  options.drafter = &drafter;
  std::map<std::vector<TokenId>, int> seen;
  int accepted = 0;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    options.sampling = {.temperature = kTemperature, .top_k = kTopK, .top_p = 1, .seed = seed};
    Sequence sequence = tested.new_sequence();
    const Generation made = generate(tested, sequence, *model.tokenizer, prompt, options);
    ++seen[made.tokens];
    accepted += made.stats.accepted_tokens;
  }
  EXPECT_GT(accepted, 0);

  // Pearson's statistic over the answers that are expected at least 10 times, the others taken together.
  double statistic = 0, rest_expected = kDraws;
  int cells = 0, rest_seen = kDraws;
  for (const auto& [answer, count] : seen) {
    std::vector<TokenId> text = prompt;
    double probability = 1;
    for (TokenId id : answer) {
      Sequence sequence = tested.new_sequence();
      const auto logits = tested.append(sequence, text);
      std::vector<float> sorted(logits.begin(), logits.end());
      std::partial_sort(sorted.begin(), sorted.begin() + kTopK, sorted.end(), std::greater<>());
      double total = 0;
      for (size_t i = 0; i < kTopK; ++i) total += std::exp((sorted[i] - sorted[0]) / kTemperature);
      probability *= std::exp((logits[static_cast<size_t>(id)] - sorted[0]) / kTemperature) / total;
      text.push_back(id);
    }
    const double expected = probability * kDraws;
    if (expected < 10) continue;
    statistic += (count - expected) * (count - expected) / expected;
    rest_expected -= expected;
    rest_seen -= count;
    ++cells;
  }
  if (rest_expected >= 10) {
    statistic += (rest_seen - rest_expected) * (rest_seen - rest_expected) / rest_expected;
    ++cells;
  }
  ASSERT_GE(cells, 5);
  // Four standard deviations over the mean of chi-squared with cells - 1 degrees of freedom.
  EXPECT_LT(statistic, cells - 1 + 4 * std::sqrt(2.0 * (cells - 1))) << cells;
}

TEST_F(SpeculationTest, IsRefusedWhereAnEncodingLooksAtAllTokensOfARun) {
  const auto tested = engine("llm-int8", on_cpu());
  NgramDrafter drafter;
  const std::vector<TokenId> prompt = tokenizer_->encode("Once upon a time");
  EXPECT_THROW(run(*tested, prompt, 0, 0, &drafter), UnsupportedError);
}

}  // namespace
}  // namespace halftone
