#pragma once

#include <limits>
#include <memory>
#include <span>

#include "backend/cuda/device/host/block.h"

namespace halftone::cuda {

/// The host standing in for a GPU: its memory is the host's, kernels run as fibers, one thread of the machine
/// for all. For tests; slow. Writing beyond what was allocated is found after the launch that did it
/// (std::logic_error); AddressSanitizer finds it, and reading, as it happens.
class HostDevice : public Device {
 public:
  explicit HostDevice(host::ThreadOrder order = host::ThreadOrder::forward, uint64_t seed = 0);
  ~HostDevice() override;

  const Chip& chip() const override { return chip_; }
  void launch_any(const AnyDeviceKernel& kernel, const Launch& launch, const void* args,
                  size_t args_bytes) override;
  /// What the launching side is to take the device for.
  void set_chip(const Chip& chip) { chip_ = chip; }
  /// From how many rows on multiply() is to be used; at first never.
  void multiply_from(int rows) { multiply_from_ = rows; }
  bool multiplies(int m) override { return m >= multiply_from_; }
  void multiply(const HalfProduct& product) override;
  std::shared_ptr<std::byte> allocate(size_t bytes, std::string_view what) override;
  void upload(std::byte* to, const std::byte* from, size_t bytes) override;
  void download(std::byte* to, const std::byte* from, size_t bytes) override;
  void wait() override;
  std::optional<size_t> free_bytes() override { return std::nullopt; }
  std::string description() const override { return "the host in place of a GPU"; }
  Roofs measure_roofs() override;
  /// Keeps the launches and their arguments.
  std::unique_ptr<Recording> record(const std::function<void()>& work) override;

  /// Kernels launched so far, replays counted.
  int64_t launches() const { return launches_; }

 private:
  struct Launched;
  class Replay;
  struct Fences;

  void run(const AnyDeviceKernel& kernel, const Launch& launch, std::span<const std::byte> args);
  /// For ThreadSanitizer: the launching thread may touch what kernels wrote.
  void know_of_launches() const;

  Chip chip_;
  host::ThreadOrder order_;
  uint64_t seed_;
  int64_t launches_ = 0;
  int multiply_from_ = std::numeric_limits<int>::max();
  std::vector<Launched>* recording_ = nullptr;
  host::LaunchOrder ordered_;
  std::shared_ptr<Fences> fences_;
};

}  // namespace halftone::cuda
