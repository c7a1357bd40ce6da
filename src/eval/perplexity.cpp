#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace halftone {
namespace {

/// log(sum(exp(logits))), the sum in double.
double log_sum_exp(std::span<const float> logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit - top));
  return static_cast<double>(top) + std::log(sum);
}

size_t argmax(std::span<const float> logits) {
  return static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// KL(P || Q) of two rows of logits, given their log-sum-exps.
double row_divergence(std::span<const float> p, double p_norm, std::span<const float> q, double q_norm) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - p_norm, share = std::exp(log_p);
    if (share != 0) sum += share * (log_p - (static_cast<double>(q[i]) - q_norm));
  }
  return std::max(sum, 0.0);
}

double nll_of(std::span<const float> logits, double norm, TokenId target) {
  if (target < 0 || static_cast<size_t>(target) >= logits.size())
    throw InputError("the text has token id {}, the model's vocabulary ends at {}", target,
                     logits.size() - 1);
  return norm - static_cast<double>(logits[static_cast<size_t>(target)]);
}

Perplexity finish(double nll_sum, int64_t tokens) {
  const double nll = nll_sum / static_cast<double>(tokens);
  if (!std::isfinite(nll)) throw InputError("the model's logits are not finite: its weights are not sound");
  return {nll, std::exp(nll), tokens};
}

}  // namespace

double kl_divergence(std::span<const float> p_logits, std::span<const float> q_logits) {
  return row_divergence(p_logits, log_sum_exp(p_logits), q_logits, log_sum_exp(q_logits));
}

std::vector<std::span<const TokenId>> cut_windows(std::span<const TokenId> tokens,
                                                  const WindowProtocol& protocol) {
  if (tokens.size() < 2) throw InputError("the text has {} tokens; at least 2 are needed", tokens.size());
  const size_t window = std::min(static_cast<size_t>(protocol.window), tokens.size());
  if (window < 2) throw UsageError("a window needs at least 2 tokens, {} asked for", protocol.window);
  size_t count = tokens.size() / window;
  if (protocol.max_windows > 0) count = std::min(count, static_cast<size_t>(protocol.max_windows));
  std::vector<std::span<const TokenId>> windows;
  for (size_t i = 0; i < count; ++i) windows.push_back(tokens.subspan(i * window, window));
  return windows;
}

Perplexity measure_perplexity(WindowScorer& scorer, std::span<const std::span<const TokenId>> windows,
                              const std::function<void(int64_t, int64_t)>& progress) {
  const size_t vocab = static_cast<size_t>(scorer.vocab_size());
  double nll_sum = 0;
  int64_t tokens = 0;
  for (size_t w = 0; w < windows.size(); ++w) {
    scorer.begin(windows[w]);
    size_t position = 0;
    for (auto logits = scorer.next(scorer.max_rows()); !logits.empty();
         logits = scorer.next(scorer.max_rows()))
      for (size_t row = 0; row < logits.size() / vocab; ++row, ++position) {
        if (position + 1 == windows[w].size()) break;
        const auto row_logits = logits.subspan(row * vocab, vocab);
        nll_sum += nll_of(row_logits, log_sum_exp(row_logits), windows[w][position + 1]);
        ++tokens;
      }
    if (progress) progress(static_cast<int64_t>(w + 1), static_cast<int64_t>(windows.size()));
  }
  return finish(nll_sum, tokens);
}

Divergence measure_divergence(WindowScorer& reference, WindowScorer& model,
                              std::span<const std::span<const TokenId>> windows,
                              const std::function<void(int64_t, int64_t)>& progress) {
  if (reference.vocab_size() != model.vocab_size())
    throw InputError("the models' vocabularies differ: {} and {} tokens", reference.vocab_size(),
                     model.vocab_size());
  const size_t vocab = static_cast<size_t>(model.vocab_size());
  const int rows = std::min(reference.max_rows(), model.max_rows());
  std::vector<double> divergences;
  double reference_nll = 0, model_nll = 0;
  int64_t agreements = 0;
  for (size_t w = 0; w < windows.size(); ++w) {
    reference.begin(windows[w]);
    model.begin(windows[w]);
    size_t position = 0;
    for (;;) {
      const auto p_rows = reference.next(rows);
      const auto q_rows = model.next(rows);
      if (p_rows.empty()) break;
      for (size_t row = 0; row < p_rows.size() / vocab; ++row, ++position) {
        if (position + 1 == windows[w].size()) break;
        const auto p = p_rows.subspan(row * vocab, vocab), q = q_rows.subspan(row * vocab, vocab);
        const double p_norm = log_sum_exp(p), q_norm = log_sum_exp(q);
        divergences.push_back(row_divergence(p, p_norm, q, q_norm));
        reference_nll += nll_of(p, p_norm, windows[w][position + 1]);
        model_nll += nll_of(q, q_norm, windows[w][position + 1]);
        agreements += argmax(p) == argmax(q);
      }
    }
    if (progress) progress(static_cast<int64_t>(w + 1), static_cast<int64_t>(windows.size()));
  }

  Divergence result;
  result.tokens = static_cast<int64_t>(divergences.size());
  result.model = finish(model_nll, result.tokens);
  result.reference = finish(reference_nll, result.tokens);
  result.top1_agreement = static_cast<double>(agreements) / static_cast<double>(result.tokens);
  for (double divergence : divergences) result.kld_mean += divergence / static_cast<double>(result.tokens);
  const size_t rank = (divergences.size() - 1) * 99 / 100;
  std::nth_element(divergences.begin(), divergences.begin() + static_cast<ptrdiff_t>(rank),
                   divergences.end());
  result.kld_p99 = divergences[rank];
  return result;
}

}  // namespace halftone
