#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace halftone::cpu {

/// Memory for packed weights: 64-byte aligned, and in huge pages where it is long enough for them (2 MiB) and
/// the system grants them, since a product that reads gigabytes would otherwise miss the TLB on every 4 KiB.
class PackedMemory {
 public:
  PackedMemory() = default;
  /// Throws ResourceError when there is none.
  explicit PackedMemory(size_t bytes);

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

}  // namespace halftone::cpu
