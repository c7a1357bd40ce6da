#include "backend/cuda/device/host/host_device.h"

#include <cassert>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/cuda/device/host/sanitizer.h"
#include "backend/cuda/probe/probe.h"
#include "base/checked.h"
#include "core/float16.h"

namespace halftone::cuda {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kFence = 256;
constexpr std::byte kUntouched{0xfd};
/// What fresh device memory holds: as a float or half it is a NaN, so reading it shows.
constexpr std::byte kUndefined{0xff};

bool untouched(const std::byte* fence) {
  for (size_t i = 0; i < kFence; ++i)
    if (fence[i] != kUntouched) return false;
  return true;
}

constexpr int kProductThreads = 32;

/// A thread makes a row of Y.
void multiply_on_host(const void* args) {
  host::wait_for_earlier_kernels();
  const HalfProduct& p = *static_cast<const HalfProduct*>(args);
  const auto number = [](uint16_t bits) { return to_float(Half{bits}); };
  const int64_t row = int64_t{host::block_index().x} * kProductThreads + host::thread_index();
  if (row >= p.m) return;
  for (int64_t column = 0; column < p.n; ++column) {
    float sum = 0;
    for (int64_t i = 0; i < p.k; ++i) sum += number(p.a[row * p.k + i]) * number(p.b[column * p.k + i]);
    p.y[row * p.y_step + column] = sum;
  }
}

}  // namespace

/// Allocations between two fences each, by first byte.
struct HostDevice::Fences {
  HostDevice* device = nullptr;  ///< null once it has ended
  struct Allocation {
    size_t bytes;
    std::string what;
  };
  std::map<std::byte*, Allocation> live;

  void check(const char* kernel) const {
    if (host::kAddressSanitizer) return;
    const host::Unwatched unwatched;
    for (const auto& [begin, allocation] : live) {
      const bool after = !untouched(begin + allocation.bytes);
      if (after || !untouched(begin - kFence))
        throw std::logic_error(fmt::format("kernel {} wrote {} the {} bytes of {}", kernel,
                                           after ? "behind" : "before", allocation.bytes, allocation.what));
    }
  }
};

struct HostDevice::Launched {
  AnyDeviceKernel kernel;
  Launch launch;
  std::vector<std::byte> args;
};

class HostDevice::Replay : public Recording {
 public:
  Replay(HostDevice& device, std::vector<Launched> launches)
      : device_(device), launches_(std::move(launches)) {}
  void replay() override {
    for (const Launched& launched : launches_) device_.run(launched.kernel, launched.launch, launched.args);
  }

 private:
  HostDevice& device_;
  std::vector<Launched> launches_;
};

HostDevice::HostDevice(host::ThreadOrder order, uint64_t seed)
    : order_(order), seed_(seed), fences_(std::make_shared<Fences>()) {
  fences_->device = this;
  chip_.multiprocessors = 4;
  chip_.shared_bytes = 99 * 1024;
}
HostDevice::~HostDevice() {
  know_of_launches();
  fences_->device = nullptr;
}

void HostDevice::launch_any(const AnyDeviceKernel& kernel, const Launch& launch, const void* args,
                            size_t args_bytes) {
  if (launch.shared_bytes > chip_.shared_bytes)
    throw std::logic_error(
        fmt::format("kernel {} asks for {} bytes of shared memory", kernel.name, launch.shared_bytes));
  const std::span bytes(static_cast<const std::byte*>(args), args_bytes);
  if (recording_)
    recording_->push_back({kernel, launch, std::vector<std::byte>(bytes.begin(), bytes.end())});
  else
    run(kernel, launch, bytes);
}

void HostDevice::run(const AnyDeviceKernel& kernel, const Launch& launch, std::span<const std::byte> args) {
  ++launches_;
  host::run_grid(kernel, args, launch, ordered_, order_, seed_++);
  fences_->check(kernel.name);
}

void HostDevice::multiply(const HalfProduct& product) {
  launch_waiting();
  static constexpr AnyDeviceKernel kernel{"a library's product", "", multiply_on_host};
  launch_any(kernel, {{ceil_div(product.m, kProductThreads)}, kProductThreads}, &product, sizeof(product));
}

std::shared_ptr<std::byte> HostDevice::allocate(size_t bytes, std::string_view what) {
  auto* memory = static_cast<std::byte*>(::operator new(bytes + 2 * kFence, std::align_val_t(kAlignment)));
  std::byte* begin = memory + kFence;
  std::memset(memory, static_cast<int>(kUntouched), kFence);
  std::memset(begin, static_cast<int>(kUndefined), bytes);
  std::memset(begin + bytes, static_cast<int>(kUntouched), kFence);
  host::poison(memory, kFence);
  host::poison(begin + bytes, kFence);
  fences_->live[begin] = {bytes, std::string(what)};
  return {begin, [fences = fences_](std::byte* p) {
            if (fences->device) fences->device->wait();
            host::unpoison(p - kFence, fences->live[p].bytes + 2 * kFence);
            fences->live.erase(p);
            ::operator delete(p - kFence, std::align_val_t(kAlignment));
          }};
}

void HostDevice::wait() {
  launch_waiting();
  know_of_launches();
}
void HostDevice::know_of_launches() const {
  host::acquire(ordered_.this_end());
  host::acquire(ordered_.earlier_end());
}

void HostDevice::upload(std::byte* to, const std::byte* from, size_t bytes) {
  assert(!recording_);
  wait();
  if (bytes > 0) std::memcpy(to, from, bytes);
}
void HostDevice::download(std::byte* to, const std::byte* from, size_t bytes) {
  upload(to, from, bytes);
}

Roofs HostDevice::measure_roofs() {
  return cuda::measure_roofs(*this, {.read_bytes = 1 << 20, .product_rounds = 1, .repetitions = 1});
}

std::unique_ptr<DeviceMemory::Recording> HostDevice::record(const std::function<void()>& work) {
  launch_waiting();
  std::vector<Launched> launches;
  recording_ = &launches;
  try {
    work();
    launch_waiting();
  } catch (...) {
    forget_waiting();
    recording_ = nullptr;
    throw;
  }
  recording_ = nullptr;
  return std::make_unique<Replay>(*this, std::move(launches));
}

}  // namespace halftone::cuda
