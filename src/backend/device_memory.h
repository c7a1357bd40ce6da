#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace halftone {

/// What a device was measured to do, a second: the roofs that shares are taken of.
struct Roofs {
  double read_bandwidth = 0;  ///< bytes
  double f16_flops = 0;       ///< products of 16-bit floats summed in f32; a multiply-add counts as two
  double int8_ops = 0;
};

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
  virtual void wait() = 0;
  /// Bytes that allocate() can still give; nothing where it takes them from the host's memory.
  virtual std::optional<size_t> free_bytes() = 0;
  virtual std::string description() const = 0;  ///< "NVIDIA H200"
  /// Takes some tenths of a second.
  virtual Roofs measure_roofs() = 0;

  /// Kernels that are run again as one (a CUDA graph).
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
