#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "llm/engine.h"
#include "llm/sampler.h"

namespace halftone {

/// Most tokens that are guessed at a time. With the token before them they make a run of at most 8 rows,
/// which kernels compute as they compute one row, bit for bit; so guesses change no answer.
inline constexpr int kMostDraftTokens = 7;

/// Guesses how a text goes on, so that the model may check several tokens in one run (speculative decoding,
/// Leviathan et al. 2023). What it guesses changes how fast an answer comes, never the answer.
class Drafter {
 public:
  virtual ~Drafter() = default;
  virtual std::string_view name() const = 0;
  /// Up to `count` tokens that may follow `text`; none where it has no idea. `sampler` is a copy of the one
  /// that will draw those tokens from the model: who draws from a similar distribution by the same random
  /// numbers gets mostly the same tokens (a coupling of the two).
  virtual std::vector<TokenId> guess(std::span<const TokenId> text, int count, Sampler sampler) = 0;
};

/// Looks for the end of the text earlier in it, and guesses what followed there (prompt lookup).
class NgramDrafter : public Drafter {
 public:
  std::string_view name() const override { return "ngram"; }
  std::vector<TokenId> guess(std::span<const TokenId> text, int count, Sampler sampler) override;
};

/// Lets a smaller model of the same vocabulary write on.
class ModelDrafter : public Drafter {
 public:
  explicit ModelDrafter(std::unique_ptr<Engine> engine);
  std::string_view name() const override { return "draft model"; }
  std::vector<TokenId> guess(std::span<const TokenId> text, int count, Sampler sampler) override;

 private:
  std::unique_ptr<Engine> engine_;
  Sequence sequence_;
};

/// Why guesses could change the answers of this graph; empty when they cannot. So it is where an encoding
/// looks at all tokens of a run at once: their outliers, or one scale for all.
std::string speculation_refusal(const Graph& graph);

}  // namespace halftone
