#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/tokenizer.h"

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

/// Throws UsageError for a value out of range.
void check(const SamplingOptions& options);

/// Draws tokens. The same seed, logits and calls give the same tokens.
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options);

  /// The next token. `history` is what the repetition penalty looks at. Equal logits are won by the smaller
  /// id. Throws InputError when a logit is NaN or all are infinitely small.
  TokenId sample(std::span<const float> logits, std::span<const TokenId> history);

 private:
  struct Candidate {
    TokenId id;
    double weight;  ///< the logit, then exp((logit - largest) / temperature)
  };

  std::span<const float> penalized(std::span<const float> logits, std::span<const TokenId> history);
  void gather(std::span<const float> logits);
  void keep_top_p();
  void keep_min_p();
  double uniform();

  SamplingOptions options_;
  uint64_t state_;
  std::vector<float> logits_;
  std::vector<Candidate> candidates_;
};

}  // namespace halftone
