#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/token_drawer.h"
#include "tokenizer/tokenizer.h"

namespace halftone {

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
