#pragma once

#include <cstdint>
#include <span>

namespace halftone {

/// How the next token is drawn. Filters apply in this order: repetition penalty, temperature, top-k, top-p,
/// min-p; each works on what the one before left.
struct SamplingOptions {
  float temperature = 0.8f;  ///< 0: greedy, the filters below do nothing
  int top_k = 40;            ///< keep the k likeliest; 0: all
  float top_p = 0.95f;       ///< keep the fewest likeliest tokens whose probabilities reach this; 1: all
  float min_p = 0;           ///< keep tokens at least this likely relative to the likeliest; 0: all
  /// Tokens seen before have positive logits divided and negative ones multiplied by this (CTRL, Keskar et
  /// al. 2019, section 4.1); 1: no penalty.
  float repeat_penalty = 1;
  uint64_t seed = 0;
};

/// Draws tokens where a backend keeps the logits, so that nothing but the chosen id leaves it.
class TokenDrawer {
 public:
  virtual ~TokenDrawer() = default;
  /// The next token. `logits`, f32 [vocabulary], lie in the backend's memory; `history`, which the repetition
  /// penalty looks at, in the host's. Throws InputError when a logit is NaN or all are infinitely small.
  virtual int32_t draw(const float* logits, std::span<const int32_t> history) = 0;
};

}  // namespace halftone
