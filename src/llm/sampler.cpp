#include "llm/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace halftone {
namespace {

constexpr auto kLikelierFirst = [](const auto& a, const auto& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
};

/// The largest logit's id, the smaller of equals. NaN anywhere is an error.
TokenId largest(std::span<const float> logits) {
  TokenId best = -1;
  float value = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]))
      throw InputError("the model's logits hold NaN (token {}): its weights or its input are not sound", i);
    if (logits[i] > value) {
      value = logits[i];
      best = static_cast<TokenId>(i);
    }
  }
  if (best < 0) throw InputError("the model's logits are all minus infinity: its weights are not sound");
  return best;
}

}  // namespace

void check(const SamplingOptions& o) {
  auto within = [](const char* name, float value, float low, float high) {
    if (!(value >= low && value <= high))
      throw UsageError("{} is {}: expected {} to {}", name, value, low, high);
  };
  within("temperature", o.temperature, 0, 100);
  within("top-p", o.top_p, 0, 1);
  within("min-p", o.min_p, 0, 1);
  within("repeat penalty", o.repeat_penalty, 0.01f, 100);
  if (o.top_k < 0) throw UsageError("top-k is {}: expected 0 or more", o.top_k);
}

Sampler::Sampler(const SamplingOptions& options) : options_(options), state_(options.seed) {
  check(options);
}

/// SplitMix64 (Steele, Lea, Flood 2014), its upper 53 bits as a number in [0, 1).
double Sampler::uniform() {
  state_ += 0x9e3779b97f4a7c15u;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

std::span<const float> Sampler::penalized(std::span<const float> logits, std::span<const TokenId> history) {
  if (options_.repeat_penalty == 1) return logits;
  logits_.assign(logits.begin(), logits.end());
  for (TokenId id : history) {
    const auto i = static_cast<size_t>(id);
    if (i >= logits.size()) continue;
    // From the original, so that a token seen twice is not punished twice.
    logits_[i] = logits[i] > 0 ? logits[i] / options_.repeat_penalty : logits[i] * options_.repeat_penalty;
  }
  return logits_;
}

/// The top-k tokens, or all, with their logits as weights. Once k have been seen, most others fail against
/// the k-th largest so far, so one pass is nearly all the work.
void Sampler::gather(std::span<const float> logits) {
  const size_t k = options_.top_k > 0 ? static_cast<size_t>(options_.top_k) : logits.size();
  double floor = -std::numeric_limits<double>::infinity();
  const auto cut = [&] {
    if (candidates_.size() <= k) return;
    const auto kth = candidates_.begin() + static_cast<std::ptrdiff_t>(k) - 1;
    std::nth_element(candidates_.begin(), kth, candidates_.end(), kLikelierFirst);
    candidates_.resize(k);
    floor = candidates_.back().weight;
  };
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > floor)) continue;
    candidates_.push_back({static_cast<TokenId>(i), logits[i]});
    if (candidates_.size() == 2 * k) cut();
  }
  cut();
  // Which order nth_element leaves is the library's affair; the draws should not depend on it.
  if (k < logits.size()) std::sort(candidates_.begin(), candidates_.end(), kLikelierFirst);
}

/// Selects the likeliest tokens in growing portions until they hold enough of the probability.
void Sampler::keep_top_p() {
  if (options_.top_p >= 1) return;
  double total = 0;
  for (const Candidate& c : candidates_) total += c.weight;
  const double wanted = options_.top_p * total;
  // Tokens below this hold, all together, less than what may be left out.
  const double least = (total - wanted) / static_cast<double>(candidates_.size());
  std::erase_if(candidates_, [&](const Candidate& c) { return c.weight < least; });
  double reached = 0;
  size_t sorted = 0;
  for (size_t portion = 64; sorted < candidates_.size(); portion *= 4) {
    const size_t end = std::min(candidates_.size(), sorted + portion);
    const auto from = candidates_.begin() + static_cast<std::ptrdiff_t>(sorted);
    const auto to = candidates_.begin() + static_cast<std::ptrdiff_t>(end);
    if (to != candidates_.end()) std::nth_element(from, to, candidates_.end(), kLikelierFirst);
    std::sort(from, to, kLikelierFirst);
    for (; sorted < end; ++sorted) {
      reached += candidates_[sorted].weight;
      if (reached >= wanted) {
        candidates_.resize(sorted + 1);
        return;
      }
    }
  }
}

void Sampler::keep_min_p() {
  if (options_.min_p <= 0) return;
  // The likeliest token has weight 1.
  std::erase_if(candidates_, [&](const Candidate& c) { return c.weight < options_.min_p; });
}

TokenId Sampler::sample(std::span<const float> original, std::span<const TokenId> history) {
  const std::span<const float> logits = penalized(original, history);
  const TokenId best = largest(logits);
  const float top = logits[static_cast<size_t>(best)];
  if (options_.temperature == 0 || std::isinf(top)) return best;

  gather(logits);
  for (Candidate& c : candidates_)
    c.weight = std::exp((static_cast<float>(c.weight) - top) / options_.temperature);
  keep_top_p();
  keep_min_p();

  double total = 0;
  for (const Candidate& c : candidates_) total += c.weight;
  double left = uniform() * total;
  for (const Candidate& c : candidates_) {
    left -= c.weight;
    if (left < 0) return c.id;
  }
  return candidates_.back().id;
}

}  // namespace halftone
