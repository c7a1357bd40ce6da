#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "backend/cpu/cpu.h"
#include "golden_family.h"
#include "llm_runner.h"

namespace halftone {
namespace {

constexpr double kTolerance = 1e-4;  // the project's promise against transformers in f32

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(source_path("src/models/testdata")))
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

double max_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(double{a[i]} - double{b[i]});
    if (!(difference <= worst)) worst = difference;  // NaN too
  }
  testing::Test::RecordProperty("max_difference", fmt::format("{:.2e}", worst));
  return worst;
}

struct Setting {
  std::string family;
  bool cpu = false;  ///< the CPU backend in place of the references
};

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const std::string& name : cases())
    for (bool cpu : {false, true}) all.push_back({name, cpu});
  return all;
}

class Families : public testing::TestWithParam<Setting> {
 protected:
  const Backend* backend() const { return GetParam().cpu ? &cpu_backend() : nullptr; }
};

TEST_P(Families, PrefillInOneRun) {
  const GoldenFamily family = load_golden_family(GetParam().family);
  LlmRunner runner(build_llm(family.checkpoint, {.context = family.context}), backend());
  EXPECT_LE(max_difference(runner.append(family.ids), family.logits.span<float>()), kTolerance);
}

TEST_P(Families, ChunksThenTokenByToken) {
  const GoldenFamily family = load_golden_family(GetParam().family);
  LlmRunner runner(build_llm(family.checkpoint, {.context = family.context}), backend());
  std::vector<float> logits;
  const std::span<const int64_t> ids = family.ids;
  for (size_t begin = 0; begin < ids.size();) {
    const size_t count = begin < 14 ? 7 : 1;
    const std::vector<float> part = runner.append(ids.subspan(begin, count));
    logits.insert(logits.end(), part.begin(), part.end());
    begin += count;
  }
  EXPECT_LE(max_difference(logits, family.logits.span<float>()), kTolerance);
}

/// Weights in 16 bits mean the same as those numbers in 32. (The families' embedding scale, sqrt(64), has no
/// rounding.)
TEST_P(Families, SixteenBitWeights) {
  const GoldenFamily family = load_golden_family(GetParam().family);
  std::vector<std::vector<float>> logits;
  for (bool widen : {false, true}) {
    Checkpoint checkpoint;
    checkpoint.config = family.checkpoint.config;
    for (const std::string& name : family.checkpoint.names()) {
      const Tensor narrow = rounded(family.checkpoint.constant(name).load(), DType::bf16);
      checkpoint.add(name, Constant(widen ? to_f32(narrow) : narrow));
    }
    LlmRunner runner(build_llm(checkpoint, {.context = family.context}), backend());
    logits.push_back(runner.append(family.ids));
  }
  EXPECT_LE(max_difference(logits[0], logits[1]), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Goldens, Families, testing::ValuesIn(settings()), [](const auto& test) {
  return test.param.family + (test.param.cpu ? "_cpu" : "_reference");
});

/// Real small models with their goldens beside them.
class SharedModels : public testing::TestWithParam<std::string> {};

TEST_P(SharedModels, LogitsAndGreedyTokens) {
  SKIP_WITHOUT_SHARED("models/llm/golden");
  const Checkpoint checkpoint = open_checkpoint(shared_path("models/llm") / GetParam());
  for (int sample = 0; sample < 2; ++sample) {
    const fs::path stem = shared_path("models/llm/golden") / fmt::format("{}_{}", GetParam(), sample);
    auto golden = [&](const char* what) { return read_npy(stem.string() + "_" + what + ".npy"); };
    const Tensor input = golden("input_ids"), expected = golden("logits"), greedy = golden("greedy_ids");

    LlmRunner runner(build_llm(checkpoint), &cpu_backend());
    const std::vector<float> logits = runner.append(input.span<int64_t>());
    EXPECT_LE(max_difference(logits, expected.span<float>()), kTolerance);

    std::span<const float> last(logits.end() - runner.info().vocab, logits.end());
    std::vector<int64_t> answer(input.span<int64_t>().begin(), input.span<int64_t>().end());
    std::vector<float> step;
    while (answer.size() < greedy.span<int64_t>().size()) {
      answer.push_back(std::max_element(last.begin(), last.end()) - last.begin());
      step = runner.append(std::span(answer).last(1));
      last = step;
    }
    EXPECT_TRUE(std::equal(answer.begin(), answer.end(), greedy.span<int64_t>().begin()));
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, SharedModels, testing::Values("stories260K", "babyllama105"));

}  // namespace
}  // namespace halftone
