#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

namespace halftone {

/// Where a backend's values lie when that is not the host's memory, and the queue that orders the work on
/// them: copies and kernels run one after another, as they were asked for. Pointers into it must not be
/// followed on the host.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;

  /// Undefined contents, 256-byte aligned; freed with the last owner. Throws ResourceError that names `what`,
  /// the bytes asked for and those free.
  virtual std::shared_ptr<std::byte> allocate(size_t bytes, std::string_view what) = 0;
  /// Host memory may be written again as soon as this returns.
  virtual void upload(std::byte* to, const std::byte* from, size_t bytes) = 0;
  /// Waits for all that was asked for before, then copies.
  virtual void download(std::byte* to, const std::byte* from, size_t bytes) = 0;
  virtual void copy(std::byte* to, const std::byte* from, size_t bytes) = 0;
  virtual void wait() = 0;

  /// Kernels and device copies that are run again as one (a CUDA graph).
  class Recording {
   public:
    virtual ~Recording() = default;
    virtual void replay() = 0;
  };
  /// Records what `work` asks for, without running it; null where this device records nothing, and then
  /// `work` was not called.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& work) = 0;
};

}  // namespace halftone
