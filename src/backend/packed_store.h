#pragma once

#include <cstddef>
#include <memory>

namespace halftone {

class PackedLater;

/// Where kernels find the constants that they packed at an earlier start. Kernels of one plan ask in the same
/// order each time.
class PackedStore {
 public:
  virtual ~PackedStore() = default;
  /// The next constant, 64-byte aligned; null where it must be packed.
  virtual std::shared_ptr<const std::byte> find(size_t bytes) = 0;
  /// What was packed because find() had nothing; it does not change any more.
  virtual void keep(std::shared_ptr<const std::byte> packed, size_t bytes) = 0;
  /// Whether the constant, for which find() had nothing, may be packed later; it stays where it is as long as
  /// the plan.
  virtual bool leave(PackedLater& /*constant*/) { return false; }

  /// The store of the plan that this thread is compiling; null where nothing is kept.
  static PackedStore* current();

  /// Makes a store (which may be null) the current one while it lives.
  class Scope {
   public:
    explicit Scope(PackedStore* store);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    PackedStore* before_;
  };
};

}  // namespace halftone
