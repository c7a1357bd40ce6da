#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "llm/engine.h"

namespace halftone {

/// One row of a speed table, named as llama-bench names them.
struct SpeedTest {
  enum class Phase { prefill, decode };
  Phase phase;
  int tokens;     ///< prompt tokens run at once, or tokens generated one by one
  int depth;      ///< tokens in the cache before the clock starts
  int texts = 1;  ///< decoded side by side, `tokens` of each; 1 for prefill

  std::string name() const;  ///< "pp512", "tg128 @ d1024", "tg128 x8"
};

/// The texts of a test, `depth` tokens of each in the cache, and the tokens that are timed.
struct SpeedTexts {
  std::vector<TokenId> tokens;  ///< depth + tokens, pseudo-random, the same each time
  std::vector<Sequence> sequences;

  std::span<const TokenId> timed(const SpeedTest& test) const {
    return std::span(tokens).subspan(static_cast<size_t>(test.depth));
  }
};
/// Throws InputError when depth and tokens exceed the engine's context. The engine must hold as many
/// sequences as there are texts.
SpeedTexts begin_test(Engine& engine, const SpeedTest& test);

/// Tokens per second of each repetition, all texts together, sorted.
struct SpeedSamples {
  std::vector<double> tokens_per_s;

  double median() const;
  /// Half the distance between the quartiles, as a share of the median; NaN of one run, which has none.
  double spread() const;
};

/// Runs the test `repetitions` times after one that is not counted; begins it with begin_test().
SpeedSamples measure_speed(Engine& engine, const SpeedTest& test, int repetitions,
                           const std::function<void(int done, int total)>& progress = {});

/// What a run of a test moves and computes, from the plan: the numbers that shares of a roof are made of.
struct SpeedWork {
  /// Weights, packed or as the reference reads them (shared by the tokens of one run), and the KV cache.
  double bytes_per_token;
  double flops_per_token;
};
SpeedWork work_of(const Engine& engine, const SpeedTest& test);

}  // namespace halftone
