#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "backend/cuda/device/host/host_device.h"
#include "base/error.h"
#ifdef HALFTONE_CUDA
#include "backend/cuda/driver/gpu.h"
#endif

namespace halftone::cuda {

/// The GPU that the environment's HALFTONE_TEST_DEVICE names (cuda or cuda:N), on which tests of kernels run
/// then; null where it is not set. Throws UnsupportedError where there is no such GPU.
inline Device* test_gpu() {
  const char* set = std::getenv("HALFTONE_TEST_DEVICE");
  const std::string name = set ? set : "";
  if (name.empty()) return nullptr;
  const std::string number = name == "cuda" ? "0" : name.starts_with("cuda:") ? name.substr(5) : "";
  if (number.empty() || number.size() > 3 || number.find_first_not_of("0123456789") != std::string::npos)
    throw UsageError("HALFTONE_TEST_DEVICE={}: expected cuda or cuda:N", name);
#ifdef HALFTONE_CUDA
  return &open_gpu(std::stoi(number));
#else
  throw UnsupportedError("HALFTONE_TEST_DEVICE={}: this build has no CUDA backend", name);
#endif
}

/// The device of a test: that GPU, or the host that stands in for one and runs threads in the order given.
class TestDevice {
 public:
  explicit TestDevice(host::ThreadOrder order = host::ThreadOrder::forward, uint64_t seed = 0)
      : gpu_(test_gpu()), host_(gpu_ ? nullptr : std::make_unique<HostDevice>(order, seed)) {}
  Device& operator*() const { return gpu_ ? *gpu_ : *host_; }
  Device* operator->() const { return &**this; }

 private:
  Device* gpu_;
  std::unique_ptr<HostDevice> host_;
};

/// Leaves a test of the host's stand-in itself where tests run on a GPU.
#define SKIP_ON_A_GPU(why) \
  if (::halftone::cuda::test_gpu()) GTEST_SKIP() << why

}  // namespace halftone::cuda
