#pragma once

#include <functional>
#include <span>
#include <string>

#include "eval/window_scorer.h"

namespace halftone {

/// How a text is cut into windows: NUMERICS' protocol, the one that GPTQ, AWQ and OmniQuant report.
struct WindowProtocol {
  int window = 2048;        ///< tokens; at most the model's context
  int64_t max_windows = 0;  ///< 0: all
};

/// Windows of `protocol.window` tokens without overlap; the tail is dropped. A text shorter than one window
/// is one window. Throws InputError when there are fewer than two tokens.
std::vector<std::span<const TokenId>> cut_windows(std::span<const TokenId> tokens,
                                                  const WindowProtocol& protocol);

struct Perplexity {
  double nll = 0;         ///< mean negative log likelihood of a target, nats
  double perplexity = 0;  ///< exp(nll)
  int64_t tokens = 0;     ///< targets scored: each window's tokens but its first
};

/// `progress` is told windows done and in all.
Perplexity measure_perplexity(WindowScorer& scorer, std::span<const std::span<const TokenId>> windows,
                              const std::function<void(int64_t, int64_t)>& progress = {});

/// KL(P || Q) in nats of the distributions that two rows of logits stand for.
double kl_divergence(std::span<const float> p_logits, std::span<const float> q_logits);

/// How far a model's next-token distributions Q lie from a reference's P at the same positions.
struct Divergence {
  double kld_mean = 0;        ///< mean of KL(P || Q), nats
  double kld_p99 = 0;         ///< 99th percentile over positions
  double top1_agreement = 0;  ///< share of positions where both have the same most likely token, 0..1
  int64_t tokens = 0;
  Perplexity model;
  Perplexity reference;
};

/// Both scorers must have the same vocabulary (InputError) and are run side by side.
Divergence measure_divergence(WindowScorer& reference, WindowScorer& model,
                              std::span<const std::span<const TokenId>> windows,
                              const std::function<void(int64_t, int64_t)>& progress = {});

}  // namespace halftone
