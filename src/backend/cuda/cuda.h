#pragma once

#include <memory>

#include "backend/cuda/launch.h"
#include "backend/kernel.h"

namespace halftone {
namespace cuda {

/// The kernels of kernels.inc, best first within an operator.
std::span<const Kernel> cuda_kernels();

/// They on one device.
class CudaBackend : public Backend {
 public:
  explicit CudaBackend(Device& device);

  std::string_view name() const override { return "cuda"; }
  std::span<const Kernel> kernels() const override { return cuda_kernels(); }
  /// A tile of a convolution reads whole pieces of 16 bytes of a place's channels, f32 or codes, and writes
  /// neighbouring channels: nothing of it would lie together in planar order.
  bool wants_channels_last() const override { return true; }
  Device* memory() const override { return &device_; }
  std::unique_ptr<TokenDrawer> token_drawer(const SamplingOptions& options,
                                            int64_t vocabulary) const override;
  std::unique_ptr<PreparedKernel> prepare(const Kernel& kernel, const OpSite& site,
                                          ThreadPool& threads) const override;

 private:
  Device& device_;
};

/// A kernel of this backend bound to a node. Its constants lie in the device's memory.
class CudaKernel : public PreparedKernel {
 protected:
  CudaKernel();
  Device& device() const { return device_; }
  /// Copies what was packed on the host.
  std::shared_ptr<std::byte> upload(std::span<const std::byte> packed, std::string_view what);

 private:
  Device& device_;
};

/// The bytes of an operand as the kernels' argument structures want them.
template <class T>
const T* pointer(const Operand& operand) {
  return operand.present ? reinterpret_cast<const T*>(operand.tensor.data) : nullptr;
}
template <class T>
T* pointer(const MutableTensorView& view) {
  return reinterpret_cast<T*>(view.data);
}

}  // namespace cuda
}  // namespace halftone
