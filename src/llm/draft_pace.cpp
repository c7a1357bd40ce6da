#include "llm/draft_pace.h"

#include <algorithm>

namespace halftone {
namespace {

/// Runs without guesses that are timed before the first guess; later, one after so many runs with guesses.
constexpr int kFirstPlainRuns = 2, kPlainEvery = 32;
constexpr int kTrialRuns = 8;
constexpr int kLongestPause = 512;
/// Of a new time in the average of the latest.
constexpr double kNewShare = 0.25;

}  // namespace

int DraftPace::next() const {
  const bool time_plain = plain_runs_ < kFirstPlainRuns || since_plain_ >= kPlainEvery;
  return pause_ > 0 || time_plain ? 0 : length_;
}

void DraftPace::record(int guessed, int accepted, double milliseconds) {
  if (guessed == 0) {
    // The first run is slower than those after it: its memory is new.
    plain_ms_ =
        plain_runs_ < kFirstPlainRuns ? milliseconds : plain_ms_ + kNewShare * (milliseconds - plain_ms_);
    ++plain_runs_;
    since_plain_ = 0;
    pause_ = std::max(0, pause_ - 1);
    return;
  }
  ++since_plain_;
  ++trial_runs_;
  trial_tokens_ += accepted + 1;
  trial_ms_ += milliseconds;
  // A guess that was right to its end might have gone on; one that was not was too long.
  length_ = accepted == guessed ? std::min(most_, std::max(length_, guessed + 1)) : accepted + 1;
  if (trial_runs_ == kTrialRuns) judge();
}

void DraftPace::judge() {
  const bool pays = trial_ms_ < trial_tokens_ * plain_ms_;
  pause_ = pays ? 0 : next_pause_;
  next_pause_ = pays ? kShortestPause : std::min(2 * next_pause_, kLongestPause);
  trial_runs_ = trial_tokens_ = 0;
  trial_ms_ = 0;
  length_ = pays ? length_ : most_;
}

}  // namespace halftone
