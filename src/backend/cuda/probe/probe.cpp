#include "backend/cuda/probe/probe.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "backend/cuda/probe/probe_kernels.h"

namespace halftone::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocksEach = 8;  ///< blocks for each multiprocessor

/// Shortest of some runs, after one that warms up.
double best_seconds(Device& device, int repetitions, const std::function<void()>& work) {
  work();
  device.wait();
  double best = 1e30;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    device.wait();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

Roofs Device::measure_roofs() {
  return cuda::measure_roofs(*this);
}

Roofs measure_roofs(Device& device, const ProbeSize& size) {
  const Launch full{{device.chip().multiprocessors * kBlocksEach}, kThreads, 0};
  const auto sink = device.allocate(sizeof(uint32_t), "a probe's result");
  auto* word = reinterpret_cast<uint32_t*>(sink.get());

  Roofs roofs;
  {
    const auto words = static_cast<int64_t>(size.read_bytes / sizeof(Words4));
    const auto buffer = device.allocate(size.read_bytes, "a probe's buffer");
    const ReadProbeArgs args{reinterpret_cast<const Words4*>(buffer.get()), words, word};
    roofs.read_bandwidth =
        static_cast<double>(words) * sizeof(Words4) /
        best_seconds(device, size.repetitions, [&] { device.launch(read_probe, full, args); });
  }
  const ProductProbeArgs args{size.product_rounds, word};
  const double products =
      static_cast<double>(full.blocks.x) * (kThreads / kWarp) * size.product_rounds * kProbeProducts;
  roofs.f16_flops = products * (2 * 16 * 8 * 16) /
                    best_seconds(device, size.repetitions, [&] { device.launch(f16_probe, full, args); });
  roofs.int8_ops = products * (2 * 16 * 8 * 32) /
                   best_seconds(device, size.repetitions, [&] { device.launch(s8_probe, full, args); });
  return roofs;
}

}  // namespace halftone::cuda
