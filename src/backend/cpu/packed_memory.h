#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace halftone::cpu {

/// Memory for packed weights: 64-byte aligned, and but for the shortest in huge pages (2 MiB) where the
/// system grants them, since a product that reads gigabytes would otherwise miss the TLB on every 4 KiB.
class PackedMemory {
 public:
  PackedMemory() = default;
  /// Throws ResourceError when there is none.
  explicit PackedMemory(size_t bytes);
  /// What `pack` writes, or the same as it was kept at an earlier start (backend/packed_store.h).
  PackedMemory(size_t bytes, const std::function<void(std::byte* to)>& pack);
  /// As it was kept; data() is null where it was not.
  static PackedMemory find(size_t bytes);

  std::byte* data() { return own_.get(); }  ///< null where it comes from a store
  const std::byte* data() const { return data_.get(); }
  const std::shared_ptr<const std::byte>& shared() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::shared_ptr<std::byte> own_;
  std::shared_ptr<const std::byte> data_;
  size_t size_ = 0;
};

}  // namespace halftone::cpu
