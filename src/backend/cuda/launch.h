#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "backend/device_memory.h"

namespace halftone::cuda {

/// Position of a block in its grid, or a grid's extent.
struct Index3 {
  int x = 1, y = 1, z = 1;
};

struct Launch {
  Index3 blocks;
  int threads = 128;        ///< of a block; whole warps, at most 1024
  size_t shared_bytes = 0;  ///< of a block
};

/// A device function as the host sees it, whatever its arguments.
struct AnyDeviceKernel {
  const char* name;
  const char* module;                 ///< the .cu file that has it, without its ending
  void (*on_host)(const void* args);  ///< one thread of it, see device/host/block.h
};

template <class Args>
struct DeviceKernel : AnyDeviceKernel {};

/// Declares a kernel of a .cu file for the code that launches it.
#define DECLARE_DEVICE_KERNEL(name, Args) extern const DeviceKernel<Args> name

/// What a kernel must know of the chip to choose its shape.
struct Chip {
  int compute = 90;  ///< 80, 86, 87, 89, 90
  int multiprocessors = 1;
  size_t shared_bytes = 48 * 1024;  ///< most that a block may have
};

/// Y [m, n] = A [m, k] x B [n, k]^T: f16, summed in f32. Rows of A and B lie close together, those of Y
/// y_step apart; k is a multiple of 8, all are 16-byte aligned.
struct HalfProduct {
  const uint16_t* a;
  const uint16_t* b;
  float* y;
  int m, n, k;
  int64_t y_step;
};

class Device;

/// A launch that is put off until something else is asked of the device, so that one after it may join it.
class WaitingLaunch {
 public:
  virtual ~WaitingLaunch() = default;
  virtual void launch(Device& device) const = 0;
};

/// A GPU, or the host standing in for one.
class Device : public DeviceMemory {
 public:
  virtual const Chip& chip() const = 0;
  Roofs measure_roofs() override;
  virtual void launch_any(const AnyDeviceKernel& kernel, const Launch& launch, const void* args,
                          size_t args_bytes) = 0;

  /// Whether multiply() is there and faster for m rows than Halftone's own kernels.
  virtual bool multiplies(int m) { return false; }
  /// By the vendor's library.
  virtual void multiply(const HalfProduct& product) {}

  template <class Args>
  void launch(const DeviceKernel<Args>& kernel, const Launch& shape, const Args& args) {
    launch_waiting();
    launch_any(kernel, shape, &args, sizeof(Args));
  }

  /// The launch put off last, for who would join it; null: none.
  WaitingLaunch* waiting() const { return waiting_.get(); }
  void put_off(std::unique_ptr<WaitingLaunch> launch) {
    launch_waiting();
    waiting_ = std::move(launch);
  }

 protected:
  /// Before all else that a device is asked for.
  void launch_waiting() {
    if (const auto due = std::move(waiting_)) due->launch(*this);
  }
  void forget_waiting() { waiting_.reset(); }

 private:
  std::unique_ptr<WaitingLaunch> waiting_;
};

}  // namespace halftone::cuda
