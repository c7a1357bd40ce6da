#include "base/core_share.h"

#include <algorithm>
#include <ctime>
#include <thread>

namespace halftone {

void CoreShare::look() {
  timespec cpu{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  seen_ = {Clock::now(), std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec)};
  slept_ = false;
}

bool CoreShare::lost() {
  if (Clock::now() - seen_.wall <= kLoss) return false;
  const Moment before = seen_;
  look();
  return (seen_.wall - before.wall) - (seen_.cpu - before.cpu) > kLoss;
}

void CoreShare::count_loss() {
  const auto now = Clock::now();
  if (now - losses_since_ > kShortTime) {
    losses_since_ = now;
    losses_ = 0;
  }
  if (++losses_ < kLosses || bursts_left_ > 0) return;
  bursts_ = now - ended_ < kSoon ? std::min(2 * bursts_, kMostBursts) : kFewestBursts;
  bursts_left_ = bursts_;
}

void CoreShare::rest(int callers_core) {
  keep_off(--bursts_left_ > 0 ? callers_core : -1);
  std::this_thread::sleep_for(kRest);
  slept_ = true;
  woke_ = Clock::now();
  if (bursts_left_ == 0) ended_ = woke_;
}

void CoreShare::keep_off(int core) {
  if (core == kept_off_) return;
  if (kept_off_ < 0 && sched_getaffinity(0, sizeof allowed_, &allowed_) != 0) return;
  cpu_set_t mask = allowed_;
  if (core >= 0) CPU_CLR(static_cast<size_t>(core), &mask);
  if (CPU_COUNT(&mask) > 0 && sched_setaffinity(0, sizeof mask, &mask) == 0) kept_off_ = core;
}

}  // namespace halftone
