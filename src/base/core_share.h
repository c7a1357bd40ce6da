#pragma once

#include <chrono>
#include <sched.h>

namespace halftone {

/// How a worker of a pool gets on with a program that wants its core too.
///
/// The system then takes the core away for some milliseconds, in the middle of a piece for which all other
/// threads wait. A worker that lost its core several times in short time works in bursts, shorter than what
/// the system grants, and sleeps as long in between: whoever sleeps half of the time keeps the core when
/// awake. After a while it tries without; where that fails soon, for longer.
class CoreShare {
 public:
  using Clock = std::chrono::steady_clock;

  /// Before work.
  void begin() {
    if (slept_ || Clock::now() - seen_.wall > kLoss) look();
  }
  /// After work: whether this thread's core was lost for longer than a millisecond since begin().
  bool lost();
  /// The thread has slept of its own will.
  void slept() { slept_ = true; }

  /// The worker lost its core, or the caller lost its own, which workers may be the reason of.
  void count_loss();
  /// Whether a burst is over; false while the worker needs none.
  bool spent() const { return bursts_left_ > 0 && Clock::now() - woke_ > kBurst; }
  /// Sleeps until the next burst, then on another core than the caller's: the system would often wake a
  /// worker there, where it takes from the caller what it gives.
  void rest(int callers_core);

 private:
  static constexpr std::chrono::microseconds kLoss{1000}, kBurst{1500}, kRest{1500};
  static constexpr int kLosses = 4;
  static constexpr std::chrono::milliseconds kShortTime{50};
  static constexpr int kFewestBursts = 20, kMostBursts = 160;
  static constexpr std::chrono::milliseconds kSoon{250};

  void look();
  void keep_off(int core);  ///< negative: off none

  struct Moment {
    Clock::time_point wall;
    std::chrono::nanoseconds cpu;  ///< this thread's
  };
  Moment seen_{};
  bool slept_ = true;
  Clock::time_point woke_, losses_since_, ended_;
  int losses_ = 0, bursts_ = 0, bursts_left_ = 0, kept_off_ = -1;
  cpu_set_t allowed_;  ///< before it was kept off one
};

}  // namespace halftone
