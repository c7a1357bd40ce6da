#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "backend/packed_later.h"
#include "backend/packed_store.h"
#include "runtime/plan_cache.h"

namespace halftone {

/// The packed constants of one plan: found in a cache, packed as kernels are prepared, or left for later
/// where a mapped file holds what they are packed from. The last are packed between runs, so that a first
/// answer waits neither for them nor for the memory that they take. A cache gets all of them once all are
/// packed.
class PlanWeights : public PackedStore {
 public:
  /// `cached` may be null. `may_wait`: constants may be left for later.
  PlanWeights(std::unique_ptr<PlanCache::Constants> cached, bool may_wait);
  /// Packs what is left where a cache wants it, and waits until it is written.
  ~PlanWeights() override;

  std::shared_ptr<const std::byte> find(size_t bytes) override;
  void keep(std::shared_ptr<const std::byte> packed, size_t bytes) override;
  bool leave(PackedLater& constant) override;

  /// When all kernels are prepared.
  void finish();
  /// Packs constants that were left, those first that runs need first, until so much time has gone by (one at
  /// least). Does nothing while another thread does it.
  void pack_more(double milliseconds, ThreadPool& threads);
  bool has_cache() const { return cached_ != nullptr; }
  bool from_cache() const { return cached_ && cached_->found(); }

 private:
  struct Constant {
    std::shared_ptr<const std::byte> packed;  ///< null: left
    size_t bytes;
    PackedLater* later;
  };
  /// The next one that is left; null when all are packed.
  Constant* next_left();
  /// To the cache; `threads` of its own.
  void hand_over(int threads);

  std::unique_ptr<PlanCache::Constants> cached_;
  bool may_wait_;
  std::mutex mutex_;
  std::vector<Constant> constants_;  ///< in the order of find(), until the cache has them
  size_t next_ = 0;                  ///< all before it are packed
  bool finished_ = false, handed_over_ = false;
};

}  // namespace halftone
