#pragma once

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <functional>
#include <vector>

#include "backend/cuda/device/host/host_device.h"
#include "base/error.h"
#ifdef HALFTONE_CUDA
#include "backend/cuda/driver/gpu.h"
#endif

namespace halftone::cuda {

/// What a benchmark runs on: the first GPU; or, to try the benchmark itself, the host in place of one, whose
/// times say nothing of a GPU's.
class BenchDevice {
 public:
  explicit BenchDevice(bool stand_in) : stand_in_(stand_in) {
    if (stand_in)
      device_ = &host_;
    else
#ifdef HALFTONE_CUDA
      device_ = &open_gpu(0);
#else
      throw UnsupportedError("this build has no CUDA backend (docs/install.md)");
#endif
  }

  Device& operator*() const {
    return *device_;
  }
  Device* operator->() const {
    return device_;
  }
  bool stand_in() const {
    return stand_in_;
  }

  /// Rows from which the vendor's library multiplies, where there is one.
  void library_from(int rows) {
    host_.multiply_from(rows);
#ifdef HALFTONE_CUDA
    if (!stand_in_) gpu_library_from(*device_, rows);
#endif
  }

  /// Measured now, and said.
  Roofs roofs() const {
    const Roofs roofs = device_->measure_roofs();
    fmt::print("{}: reads {:.0f} GB/s, mma.sync f16 {:.0f} TFLOPS, s8 {:.0f} TOPS{}\n\n",
               device_->description(), roofs.read_bandwidth * 1e-9, roofs.f16_flops * 1e-12,
               roofs.int8_ops * 1e-12, stand_in_ ? "; these times say nothing of a GPU" : "");
    return roofs;
  }

  /// Of one of the `times` things that `work` asks for: median over replays of a recording, after some that
  /// warm up.
  double median_seconds(size_t times, const std::function<void()>& work) const {
    const auto recording = device_->record(work);
    const auto once = [&] { recording->replay(); };
    const int warm_up = stand_in_ ? 0 : 3, counted = stand_in_ ? 1 : 11;
    for (int i = 0; i < warm_up; ++i) once();
    device_->wait();
    std::vector<double> measured;
    for (int i = 0; i < counted; ++i) measured.push_back(seconds(once) / static_cast<double>(times));
    std::sort(measured.begin(), measured.end());
    return measured[measured.size() / 2];
  }

 private:
  double seconds(const std::function<void()>& work) const {
#ifdef HALFTONE_CUDA
    if (!stand_in_) return 1e-3 * static_cast<double>(gpu_milliseconds(*device_, work));
#endif
    const auto start = std::chrono::steady_clock::now();
    work();
    device_->wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  bool stand_in_;
  HostDevice host_;
  Device* device_ = nullptr;
};

/// Runs a benchmark's main part; what it throws is said and the program ends with 1.
inline int bench_main(const char* name, const std::function<void()>& work) {
  try {
    work();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", name, error.what());
    return 1;
  }
}

}  // namespace halftone::cuda
