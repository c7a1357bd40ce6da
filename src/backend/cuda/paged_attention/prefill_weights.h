#pragma once

#include "backend/cuda/paged_attention/prefill_state.h"

namespace halftone::cuda {

/// What scores are besides products; those of positions that a row does not see become -infinity.
template <class State>
DEVICE void finish_scores(const State& s, int begin, bool whole, float (&scores)[State::kTokens / 8][4]) {
  const int t = lane() % 4;
  if constexpr (State::kScaled) UNROLL
  for (int n = 0; n < State::kTokens / 8; ++n) {
    const Vec2 scale = load_as<Vec2>(State::Tiles::scales(false) + (8 * n + 2 * t));
    scores[n][0] *= scale.x;
    scores[n][1] *= scale.y;
    scores[n][2] *= scale.x;
    scores[n][3] *= scale.y;
  }
  if constexpr (State::Ends::kRanged) {
    if (State::Mask::kAny || s.view.softcap > 0) UNROLL
    for (int n = 0; n < State::kTokens / 8; ++n) UNROLL
    for (int i = 0; i < 4; ++i) scores[n][i] *= s.factor[i / 2];
  }
  if (s.view.softcap > 0) UNROLL
  for (int n = 0; n < State::kTokens / 8; ++n) UNROLL
  for (int i = 0; i < 4; ++i) scores[n][i] = capped_exponent(s.view.softcap, scores[n][i]);
  if (whole && !State::Mask::kAny) return;
  UNROLL
  for (int half = 0; half < 2; ++half) {
    const int vector = s.vector_of(half);
    const Seen seen = seen_by(s.view, s.sequence, s.row_of(vector));
    UNROLL
    for (int n = 0; n < State::kTokens / 8; ++n) UNROLL
    for (int i = 0; i < 2; ++i) {
      const int position = begin + 8 * n + 2 * t + i;
      float& score = scores[n][2 * half + i];
      if (position < seen.first || position >= seen.end) {
        score = -kInfinity;
      } else if constexpr (State::Mask::kAny) {
        score = masked_exponent(
            score, s.mask.addend(s.sequence.index, s.head_of(vector), s.row_of(vector), position));
      }
    }
  }
}

/// What finished scores are multiplied by to be exponents, where finish_scores() has not done it.
template <class State>
DEVICE float late_factor(const State& s, int half) {
  return State::Mask::kAny || s.view.softcap > 0 ? 1.0f : s.factor[half];
}

/// Makes `highest` ones that the scores are near enough to.
template <class State>
DEVICE void raise(State& s, const float (&scores)[State::kTokens / 8][4]) {
  float top[2] = {s.highest[0], s.highest[1]};
  UNROLL
  for (int half = 0; half < 2; ++half) {
    if constexpr (State::Ends::kRanged && !State::Mask::kAny) top[half] = -kInfinity;
    UNROLL
    for (int n = 0; n < State::kTokens / 8; ++n) UNROLL
    for (int i = 0; i < 2; ++i) {
      const float score = scores[n][2 * half + i];
      top[half] = score > top[half] ? score : top[half];
    }
    if constexpr (State::Ends::kRanged && !State::Mask::kAny) {
      top[half] *= late_factor(s, half);
      top[half] = top[half] > s.highest[half] ? top[half] : s.highest[half];
    }
    UNROLL
    for (int step = 1; step < 4; step *= 2) {
      const float other = shuffle_xor(top[half], step);
      top[half] = other > top[half] ? other : top[half];
    }
  }
  if (!ballot(top[0] > s.highest[0] + kSlack || top[1] > s.highest[1] + kSlack)) return;
  UNROLL
  for (int half = 0; half < 2; ++half) {
    // A row that has seen nothing yet must not make -inf - -inf.
    const float keep = top[half] == -kInfinity ? 1.0f : fast_exp2(s.highest[half] - top[half]);
    s.highest[half] = top[half];
    s.total[half] *= keep;
    UNROLL
    for (int j = 0; j < State::kPartDim / 8; ++j) {
      s.sums[j][2 * half] *= keep;
      s.sums[j][2 * half + 1] *= keep;
    }
  }
}

/// Scores become weights, in fragments.
template <class State>
DEVICE void weigh(State& s, int begin, bool whole, float (&scores)[State::kTokens / 8][4],
                  uint32_t (&weights)[State::kTokens / 16][4]) {
  finish_scores(s, begin, whole, scores);
  raise(s, scores);
  const float base[2] = {s.highest[0] == -kInfinity ? 0.0f : s.highest[0],
                         s.highest[1] == -kInfinity ? 0.0f : s.highest[1]};
  UNROLL
  for (int n = 0; n < State::kTokens / 8; ++n) {
    float w[4];
    UNROLL
    for (int i = 0; i < 4; ++i) {
      if constexpr (State::Ends::kRanged && !State::Mask::kAny)
        w[i] = fast_exp2(multiply_add(scores[n][i], late_factor(s, i / 2), -base[i / 2]));
      else
        w[i] = fast_exp2(scores[n][i] - base[i / 2]);
      s.total[i / 2] += w[i];
    }
    if constexpr (State::kScaled) {
      const Vec2 scale = load_as<Vec2>(State::Tiles::scales(true) + (8 * n + 2 * (lane() % 4)));
      w[0] *= scale.x;
      w[1] *= scale.y;
      w[2] *= scale.x;
      w[3] *= scale.y;
    }
    weights[n / 2][n % 2 * 2] = State::Pairs::pack(w[0], w[1]);
    weights[n / 2][n % 2 * 2 + 1] = State::Pairs::pack(w[2], w[3]);
  }
}

}  // namespace halftone::cuda
