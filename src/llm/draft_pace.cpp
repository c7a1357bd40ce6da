#include "llm/draft_pace.h"

#include <algorithm>

namespace halftone {
namespace {

/// Runs without guesses that are timed before the first guess; later, one after so many runs with guesses.
constexpr int kFirstPlainRuns = 2, kPlainEvery = 32;
constexpr int kTrialRuns = 8;
/// A trial that has lost the time of so many runs without guesses ends at once.
constexpr double kMostLoss = 2;
/// What a trial lost may be so much of the time until the next.
constexpr double kLossShare = 0.03;
constexpr double kShortestPause = 32, kLongestPause = 512;
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
  // A guess that was right to its end might have gone on; one that was not was too long.
  length_ = accepted == guessed ? std::min(most_, std::max(length_, guessed + 1)) : accepted + 1;
  const double lost = milliseconds - (accepted + 1) * plain_ms_;
  if (!caught_up_) {
    caught_up_ = true;
    reading_loss_ = lost;
    return;
  }
  ++trial_runs_;
  trial_loss_ += lost;
  if (trial_runs_ == kTrialRuns || trial_loss_ > kMostLoss * plain_ms_) judge();
}

void DraftPace::judge() {
  const bool pays = trial_loss_ < 0;
  if (!pays) {
    const double runs = (reading_loss_ + trial_loss_) / (kLossShare * plain_ms_);
    pause_ = static_cast<int>(std::clamp(runs, kShortestPause, kLongestPause));
    length_ = most_;
    caught_up_ = false;
  }
  trial_runs_ = 0;
  trial_loss_ = reading_loss_ = 0;
}

}  // namespace halftone
