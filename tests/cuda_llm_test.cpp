#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "backend/cuda/cuda.h"
#include "golden_family.h"
#include "llm/engine.h"
#include "llm/sampler.h"
#include "llm_runner.h"
#include "quant/quantize_graph.h"
#include "test_device.h"

namespace halftone {
namespace {

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(source_path("src/models/testdata")))
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Logits of all tokens: the first half as one prefill, then one by one.
std::vector<float> logits_of(const GoldenFamily& family, const std::string& recipe, const Backend* backend,
                             KvFormat format) {
  Graph graph = build_llm(family.checkpoint, {.context = family.context});
  if (!recipe.empty()) quantize_graph(graph, find_recipe(recipe));
  LlmRunner runner(std::move(graph), backend, format);
  const std::span<const int64_t> ids = family.ids;
  std::vector<float> logits = runner.append(ids.first(ids.size() / 2));
  for (size_t i = ids.size() / 2; i < ids.size(); ++i) {
    const std::vector<float> next = runner.append(ids.subspan(i, 1));
    logits.insert(logits.end(), next.begin(), next.end());
  }
  return logits;
}

float largest(std::span<const float> values) {
  float size = 0;
  for (float x : values) size = std::max(size, std::fabs(x));
  return size;
}

/// Products round their operands to f16 where Tensor Cores take them (2^-11 each, errors of both signs): a
/// few layers leave less than 2^-8 of the largest logit.
void expect_near(std::span<const float> found, std::span<const float> expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], largest(expected) * 0x1p-8f) << "logit " << i;
}

class CudaFamilies : public testing::TestWithParam<std::string> {};

TEST_P(CudaFamilies, EqualTheReference) {
  const GoldenFamily family = load_golden_family(GetParam());
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  expect_near(logits_of(family, "", &backend, KvFormat::f16), logits_of(family, "", nullptr, KvFormat::f16));
}

INSTANTIATE_TEST_SUITE_P(All, CudaFamilies, testing::ValuesIn(cases()), [](const auto& family) {
  std::string name = family.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

TEST(CudaLlm, RunsEveryCacheFormat) {
  const GoldenFamily family = load_golden_family("qwen2");
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  for (KvFormat format : {KvFormat::f32, KvFormat::bf16, KvFormat::int8})
    expect_near(logits_of(family, "", &backend, format), logits_of(family, "", nullptr, format));
}

TEST(CudaLlm, RunsEveryRecipe) {
  const GoldenFamily family = load_golden_family("llama");
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  for (const char* recipe : {"rtn-w8", "rtn-w4g32", "rtn-w3g64", "nf4", "llm-int8"}) {
    SCOPED_TRACE(recipe);
    expect_near(logits_of(family, recipe, &backend, KvFormat::f16),
                logits_of(family, recipe, nullptr, KvFormat::f16));
  }
}

/// The kernels' threads in any order: the same bits.
TEST(CudaLlm, DoesNotDependOnTheOrderOfThreads) {
  const GoldenFamily family = load_golden_family("llama");
  std::vector<float> first;
  for (auto order : {cuda::host::ThreadOrder::forward, cuda::host::ThreadOrder::random}) {
    const cuda::TestDevice device(order, 3);
    const cuda::CudaBackend backend(*device);
    const std::vector<float> logits = logits_of(family, "rtn-w4g32", &backend, KvFormat::f16);
    if (first.empty()) first = logits;
    EXPECT_EQ(logits, first);
  }
}

TEST(CudaLlm, DrawsTokensWhereTheLogitsLie) {
  const GoldenFamily family = load_golden_family("llama");
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  ThreadPool threads(1);
  EngineOptions options;
  options.backend = &backend;
  Engine engine(build_llm(family.checkpoint, {.context = family.context}), options, threads);
  Sequence sequence = engine.new_sequence();
  std::vector<TokenId> text(family.ids.begin(), family.ids.begin() + 4);
  const SamplingOptions sampling{.temperature = 1.2f, .top_k = 20, .repeat_penalty = 1.2f, .seed = 3};
  const std::unique_ptr<TokenDrawer> drawer = engine.token_drawer(sampling);
  ASSERT_TRUE(drawer);
  Sampler sampler(sampling);
  engine.extend(sequence, text);
  for (int i = 0; i < 6; ++i) {
    const TokenId drawn = engine.draw(*drawer, text);
    EXPECT_EQ(drawn, sampler.sample(engine.logits().span<float>(), text));
    text.push_back(drawn);
    engine.extend(sequence, {&text.back(), 1});
  }
}

TEST(CudaLlm, HasAKernelForEveryNode) {
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  ThreadPool threads(1);
  CompileOptions options;
  options.backend = &backend;
  for (const std::string& name : cases()) {
    const auto plan = compile(build_llm(load_golden_family(name).checkpoint), options, threads);
    for (const Step& step : plan->steps())
      EXPECT_NE(step.kernel, "reference")
          << name << ": " << plan->graph().nodes()[static_cast<size_t>(step.node)].name;
  }
}

}  // namespace
}  // namespace halftone
