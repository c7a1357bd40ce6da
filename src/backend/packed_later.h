#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace halftone {

class ThreadPool;

/// A constant that its kernel can read as it is stored, though more slowly, until it is packed.
class PackedLater {
 public:
  virtual ~PackedLater() = default;
  virtual size_t bytes() const = 0;  ///< when packed
  /// Where most of what it is packed from lies.
  virtual std::span<const std::byte> source() const = 0;
  /// Packs it, once, beside runs of the kernel, which from then on read what is returned.
  virtual std::shared_ptr<const std::byte> pack(ThreadPool& threads) = 0;
};

}  // namespace halftone
