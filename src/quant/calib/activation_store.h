#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/file.h"
#include "core/tensor.h"
#include "graph/graph.h"

namespace halftone {

/// Where activations lie: in memory up to a budget, beyond it in a temporary file that vanishes with the
/// program, however it ends.
class ActivationPool {
 public:
  /// The file is made in `folder` when it is first needed.
  ActivationPool(size_t memory_budget, fs::path folder);
  ~ActivationPool();
  ActivationPool(const ActivationPool&) = delete;
  ActivationPool& operator=(const ActivationPool&) = delete;

  size_t memory_bytes() const { return memory_bytes_; }
  size_t file_bytes() const { return file_end_; }

 private:
  friend class StoredTensor;
  int64_t write(std::span<const std::byte> bytes);
  void read(int64_t offset, std::span<std::byte> bytes) const;

  size_t budget_;
  fs::path folder_;
  size_t memory_bytes_ = 0;
  int file_ = -1;
  size_t file_end_ = 0;
  std::multimap<size_t, int64_t> free_;  ///< parts of the file that are free, by size
};

/// One tensor of a pool. Gives its place back when it goes.
class StoredTensor {
 public:
  /// Copies the bytes. Throws ResourceError when the disk is full.
  StoredTensor(std::shared_ptr<ActivationPool> pool, const TensorView& tensor);
  ~StoredTensor();
  StoredTensor(const StoredTensor&) = delete;
  StoredTensor& operator=(const StoredTensor&) = delete;

  Tensor load() const;

 private:
  std::shared_ptr<ActivationPool> pool_;
  ValueType type_;
  Tensor in_memory_;
  int64_t offset_ = -1;  ///< in the file; -1: in memory
};

/// Values by sample and id. What it does not hold is looked for in `base`.
class ActivationStore {
 public:
  using Slot = std::shared_ptr<const StoredTensor>;

  ActivationStore(std::shared_ptr<ActivationPool> pool, int samples,
                  std::shared_ptr<const ActivationStore> base = {})
      : pool_(std::move(pool)), base_(std::move(base)), slots_(static_cast<size_t>(samples)) {}

  int samples() const { return static_cast<int>(slots_.size()); }
  const std::shared_ptr<ActivationPool>& pool() const { return pool_; }

  void put(int sample, ValueId value, const TensorView& tensor) {
    put(sample, value, std::make_shared<StoredTensor>(pool_, tensor));
  }
  void put(int sample, ValueId value, Slot slot) {
    slots_[static_cast<size_t>(sample)][value] = std::move(slot);
  }

  /// Null where neither it nor its base has the value.
  Slot find(int sample, ValueId value) const;
  bool has(ValueId value) const { return samples() > 0 && find(0, value); }
  /// The first so many samples alone.
  std::shared_ptr<ActivationStore> first(int samples) const;
  /// What it holds itself, without some samples.
  std::shared_ptr<ActivationStore> without(const std::set<int>& samples) const;
  /// Ids of the values that it holds itself.
  std::vector<ValueId> own() const;

 private:
  std::shared_ptr<ActivationPool> pool_;
  std::shared_ptr<const ActivationStore> base_;
  std::vector<std::map<ValueId, Slot>> slots_;
};

}  // namespace halftone
