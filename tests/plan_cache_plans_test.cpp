#include <algorithm>
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "formats/halftone_folder.h"
#include "llm/engine.h"
#include "llm/load_llm.h"
#include "models/open_model.h"
#include "quant/quantize_graph.h"
#include "runtime/plan_cache.h"
#include "shared_files.h"

namespace halftone {
namespace {

constexpr const char* kDetector = "models/detect/yolox_nano_416.onnx";

/// Whole models, packed at a first start and found at a second.
class CachedPlans : public testing::Test {
 protected:
  CachedPlans() { fs::remove_all(folder_); }
  ~CachedPlans() override { fs::remove_all(folder_); }

  struct Start {
    bool found;
    size_t packed_bytes;
    std::vector<float> results;
  };
  Start start_llm(const char* recipe, bool exact = false) {
    LlmModel model = load_llm(source_path("zoo/llm"));
    if (*recipe) quantize_graph(model.graph, find_recipe(recipe));
    EngineOptions options;
    options.backend = &cpu_backend();
    options.exact = exact;
    options.cache = PlanCache::open(folder_);
    Engine engine(std::move(model.graph), options, threads_);
    Sequence sequence = engine.new_sequence();
    const auto logits = engine.append(sequence, model.tokenizer->encode("Once upon a time"));
    return {engine.plan().from_cache(), engine.plan().packed_bytes(), {logits.begin(), logits.end()}};
  }
  Start start_detector() {
    CompileOptions options;
    options.backend = &cpu_backend();
    options.cache = PlanCache::open(folder_);
    const auto plan = compile(open_model_graph(shared_path(kDetector)), options, threads_);
    Session session(plan, threads_);
    const Value& input = plan->graph().value(plan->graph().inputs()[0]);
    Tensor image = Tensor::zeros(DType::f32, input.type.shape);
    for (size_t i = 0; float& x : image.mutable_view().span<float>()) x = static_cast<float>(i++ % 255);
    session.run({{input.name, image.view()}});
    const auto result = session.output(plan->graph().output_names()[0]).span<float>();
    return {plan->from_cache(), plan->packed_bytes(), {result.begin(), result.end()}};
  }
  void expect_the_same(const Start& first, const Start& second) {
    EXPECT_FALSE(first.found);
    EXPECT_TRUE(second.found);
    EXPECT_EQ(first.packed_bytes, second.packed_bytes);
    EXPECT_EQ(first.results, second.results);
  }

  ThreadPool threads_{2};
  fs::path folder_ = fs::temp_directory_path() / fmt::format("halftone-cached-plans-{}", ::getpid());
};

TEST_F(CachedPlans, AnLlmAnswersTheSame) {
  for (const char* recipe : {"rtn-w8", "rtn-w4g32", "rtn-w4g128-affine", "rtn-w3g64"}) {
    const Start first = start_llm(recipe);
    expect_the_same(first, start_llm(recipe));
  }
}

TEST_F(CachedPlans, RecipesAndModesDoNotMeet) {
  const Start w8 = start_llm("rtn-w8");
  EXPECT_FALSE(start_llm("rtn-w4g32").found);
  EXPECT_EQ(start_llm("rtn-w8").results, w8.results);
}

/// No byte of a plan file is one that kernels left as they found it.
TEST_F(CachedPlans, FilesDoNotDependOnWhatMemoryHeldBefore) {
  const auto file = [&](int filling, const auto& start) {
    PlanCache::open(folder_)->clear();
    mallopt(M_PERTURB, filling);
    start();
    mallopt(M_PERTURB, 0);
    return read_text(PlanCache::open(folder_)->entries().at(0).path);
  };
  const auto expect_one = [&](const char* what, const auto& start) {
    EXPECT_TRUE(file(0x55, start) == file(0xAA, start)) << what;
  };
  expect_one("rtn-w4g32", [&] { start_llm("rtn-w4g32"); });
  if (fs::exists(shared_path(kDetector))) expect_one(kDetector, [&] { start_detector(); });
}

TEST_F(CachedPlans, RecipesOfOneEncodingDoNotMeet) {
  const Start plain = start_llm("nf4"), searched = start_llm("nf4-search");
  EXPECT_FALSE(searched.found);
  EXPECT_NE(searched.results, plain.results);
  expect_the_same(searched, start_llm("nf4-search"));
}

/// Logits of a prompt and of tokens after it; whether the weights came from the cache, and how many plans it
/// held while the engine was there.
struct Answers {
  bool found = false;
  size_t plans = 0;
  std::vector<std::vector<float>> logits;
};

class FolderPlans : public CachedPlans {
 protected:
  FolderPlans() { fs::create_directories(folder_); }

  void save_model(const char* recipe) {
    LlmModel model = load_llm(source_path("zoo/llm"));
    quantize_graph(model.graph, find_recipe(recipe));
    save_halftone(model.graph, folder_ / "model", {"zoo/llm", recipe, "test", ""},
                  companion_files(source_path("zoo/llm")));
  }
  Answers answer(bool pack_between_runs, int tokens, bool cached = true) {
    LlmModel model = load_llm(folder_ / "model");
    EngineOptions options;
    options.backend = &cpu_backend();
    options.pack_between_runs = pack_between_runs;
    const auto cache = PlanCache::open(folder_ / "cache");
    if (cached) options.cache = cache;
    Engine engine(std::move(model.graph), options, threads_);
    Answers answers;
    answers.found = engine.plan().from_cache();
    Sequence sequence = engine.new_sequence();
    std::vector<TokenId> next = model.tokenizer->encode("Once upon a time");
    for (int i = 0; i < tokens; ++i) {
      const auto logits = engine.append(sequence, next);
      answers.logits.emplace_back(logits.begin(), logits.end());
      next = {static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin())};
    }
    answers.plans = cache->entries().size();
    return answers;
  }
  size_t plans() { return PlanCache::open(folder_ / "cache")->entries().size(); }
};

TEST_F(FolderPlans, WeightsPackedBetweenRunsAnswerTheSame) {
  for (const char* recipe : {"rtn-w8", "rtn-w4g32", "rtn-w3g64"}) {
    save_model(recipe);
    const Answers packed = answer(false, 12, false), waiting = answer(true, 12);
    EXPECT_FALSE(waiting.found);
    EXPECT_EQ(waiting.logits, packed.logits) << recipe;
    const Answers second = answer(true, 12);
    EXPECT_TRUE(second.found) << recipe;
    EXPECT_EQ(second.logits, packed.logits) << recipe;
    fs::remove_all(folder_ / "cache");
  }
}

TEST_F(FolderPlans, WhatWasNotPackedWhenAPlanEndsIsPackedForTheCache) {
  save_model("rtn-w4g32");
  const Answers packed = answer(false, 1, false), first = answer(true, 1);
  EXPECT_EQ(first.logits, packed.logits);
  EXPECT_EQ(first.plans, 0u) << "it is written behind the answer";
  EXPECT_EQ(plans(), 1u);
  const Answers second = answer(false, 1);
  EXPECT_TRUE(second.found);
  EXPECT_EQ(second.logits, packed.logits);
}

TEST_F(CachedPlans, SoDoesADetector) {
  SKIP_WITHOUT_SHARED(kDetector);
  const Start first = start_detector();
  expect_the_same(first, start_detector());
}

}  // namespace
}  // namespace halftone
