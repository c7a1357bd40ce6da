#include "runtime/plan_weights.h"

#include <chrono>

#include "base/mapped_files.h"
#include "base/thread_pool.h"

namespace halftone {

PlanWeights::PlanWeights(std::unique_ptr<PlanCache::Constants> cached, bool may_wait)
    : cached_(std::move(cached)), may_wait_(may_wait) {}

PlanWeights::~PlanWeights() {
  if (!cached_ || !finished_ || handed_over_) return;
  try {
    ThreadPool threads;
    while (Constant* constant = next_left()) constant->packed = constant->later->pack(threads);
    hand_over(threads.size());
  } catch (const std::exception&) {
    // No memory: the next start packs again.
  }
}

std::shared_ptr<const std::byte> PlanWeights::find(size_t bytes) {
  return cached_ ? cached_->find(bytes) : nullptr;
}

void PlanWeights::keep(std::shared_ptr<const std::byte> packed, size_t bytes) {
  constants_.push_back({std::move(packed), bytes, nullptr});
}

bool PlanWeights::leave(PackedLater& constant) {
  if (!may_wait_ || !is_mapped(constant.source())) return false;
  constants_.push_back({nullptr, constant.bytes(), &constant});
  return true;
}

void PlanWeights::finish() {
  finished_ = true;
  if (!next_left()) hand_over(1);
}

void PlanWeights::pack_more(double milliseconds, ThreadPool& threads) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || handed_over_) return;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  const auto end = std::chrono::steady_clock::now() + Milliseconds(milliseconds);
  Constant* constant = next_left();
  while (constant) {
    constant->packed = constant->later->pack(threads);
    constant = next_left();
    if (std::chrono::steady_clock::now() >= end) break;
  }
  if (!constant) hand_over(1);
}

PlanWeights::Constant* PlanWeights::next_left() {
  while (next_ < constants_.size() && constants_[next_].packed) ++next_;
  return next_ < constants_.size() ? &constants_[next_] : nullptr;
}

void PlanWeights::hand_over(int threads) {
  handed_over_ = true;
  if (cached_) {
    for (Constant& constant : constants_) cached_->keep(std::move(constant.packed), constant.bytes);
    cached_->finish(threads);
  }
  constants_.clear();
}

}  // namespace halftone
