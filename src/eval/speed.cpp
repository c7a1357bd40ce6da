#include "eval/speed.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "base/checked.h"
#include "base/error.h"
#include "cost/graph_cost.h"

namespace halftone {
namespace {

using Clock = std::chrono::steady_clock;

double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// Pseudo-random ids, the same each time.
std::vector<TokenId> test_tokens(int count, int64_t vocab) {
  std::vector<TokenId> tokens;
  uint64_t state = 1;
  for (int i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    tokens.push_back(static_cast<TokenId>((state >> 33) % static_cast<uint64_t>(vocab)));
  }
  return tokens;
}

}  // namespace

std::string SpeedTest::name() const {
  std::string text = fmt::format("{}{}", phase == Phase::prefill ? "pp" : "tg", tokens);
  if (texts > 1) text += fmt::format(" x{}", texts);
  return depth > 0 ? text + fmt::format(" @ d{}", depth) : text;
}

double SpeedSamples::median() const {
  return quantile(tokens_per_s, 0.5);
}

double SpeedSamples::spread() const {
  if (tokens_per_s.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  return (quantile(tokens_per_s, 0.75) - quantile(tokens_per_s, 0.25)) / 2 / median();
}

SpeedTexts begin_test(Engine& engine, const SpeedTest& test) {
  if (test.depth + test.tokens > engine.context())
    throw InputError("{}: {} tokens exceed the context of {}; give a larger -c", test.name(),
                     test.depth + test.tokens, engine.context());
  SpeedTexts texts{test_tokens(test.depth + test.tokens, engine.info().vocab), {}};
  for (int i = 0; i < test.texts; ++i) {
    texts.sequences.push_back(engine.new_sequence());
    if (test.depth > 0)
      engine.extend(texts.sequences.back(), std::span(texts.tokens).first(static_cast<size_t>(test.depth)));
  }
  return texts;
}

SpeedSamples measure_speed(Engine& engine, const SpeedTest& test, int repetitions,
                           const std::function<void(int, int)>& progress) {
  SpeedTexts texts = begin_test(engine, test);
  std::vector<Sequence>& sequences = texts.sequences;
  const std::span<const TokenId> timed = texts.timed(test);

  SpeedSamples samples;
  for (int repetition = 0; repetition <= repetitions; ++repetition) {
    for (Sequence& sequence : sequences) sequence.truncate(test.depth);
    // The uncounted run warms caches; a few tokens do that for decoding as well as many.
    const bool counted = repetition > 0;
    const size_t count =
        counted || test.phase == SpeedTest::Phase::prefill ? timed.size() : std::min<size_t>(timed.size(), 4);
    const auto start = Clock::now();
    if (test.phase == SpeedTest::Phase::prefill)
      engine.extend(sequences.front(), timed);
    else
      for (size_t i = 0; i < count; ++i) {
        std::vector<Engine::Feed> feeds;
        for (Sequence& sequence : sequences) feeds.push_back({&sequence, timed.subspan(i, 1)});
        engine.step(feeds);
        engine.wait();  // the next token depends on this one's
      }
    engine.wait();
    const std::chrono::duration<double> spent = Clock::now() - start;
    const auto made = static_cast<double>(count) * test.texts;
    if (counted) samples.tokens_per_s.push_back(made / spent.count());
    if (progress) progress(repetition + 1, repetitions + 1);
  }
  std::sort(samples.tokens_per_s.begin(), samples.tokens_per_s.end());
  return samples;
}

SpeedWork work_of(const Engine& engine, const SpeedTest& test) {
  const bool prefill = test.phase == SpeedTest::Phase::prefill;
  const int64_t rows = prefill ? std::min(test.tokens, engine.chunk()) : test.texts;
  const double middle_depth = test.depth + test.tokens / 2.0;
  std::map<std::string, int64_t> sizes;
  for (const Symbol& symbol : engine.plan().graph().symbols()) sizes[symbol.name] = 1;
  sizes["tokens"] = rows;
  const GraphCost cost = graph_cost(engine.plan().graph(), sizes);
  SpeedWork work;
  work.flops_per_token = cost.total.flops / static_cast<double>(rows);
  const double kv_bytes = static_cast<double>(engine.kv_bytes_per_token()) * middle_depth;
  auto weight_bytes = static_cast<double>(engine.plan().packed_bytes());
  for (const Step& step : engine.plan().steps())
    if (!step.prepared) weight_bytes += cost.nodes[static_cast<size_t>(step.node)].weight_bytes;
  work.bytes_per_token =
      weight_bytes / static_cast<double>(rows) + (prefill ? kv_bytes / static_cast<double>(rows) : kv_bytes);
  return work;
}

}  // namespace halftone
