#include "cost/machine_probe.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/sysinfo.h>

#include "base/cpu.h"

namespace halftone {
namespace {

constexpr int kLooks = 5;
/// One sample takes some milliseconds, and what is measured moves within them.
constexpr int kSamplesPerLook = 3;
/// Between a core's own caches and the memory.
constexpr double kSharedCacheBytesPerThread = 16.0 * (1 << 20);

double median(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const size_t half = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[half] : (samples[half - 1] + samples[half]) / 2;
}

}  // namespace

MachineProbe::MachineProbe(ThreadPool& threads, double working_set) : threads_(threads) {
  const double most = streaming_bytes(threads);
  const double memory = working_set > 0 ? std::min(working_set, most) : most;
  const double own = private_cache_bytes() / 2 * threads.size(),
               shared = kSharedCacheBytesPerThread * threads.size();
  if (own > 0 && own < memory) levels_.push_back({ReadProbe(threads, own)});
  if (shared > 4 * own && 2 * shared < memory) levels_.push_back({ReadProbe(threads, shared)});
  levels_.push_back({ReadProbe(threads, memory)});
}

void MachineProbe::look() {
  for (Level& level : levels_)
    for (int i = 0; i < kSamplesPerLook; ++i) level.samples.push_back(level.probe.sample());
  peaks_.push_back(sample_peaks(threads_));
}

double MachineProbe::bandwidth_at(size_t look) const {
  const auto first = levels_.back().samples.begin() + static_cast<ptrdiff_t>(look * kSamplesPerLook);
  return median({first, first + kSamplesPerLook});
}

double MachineProbe::bytes() const {
  double all = 0;
  for (const Level& level : levels_) all += level.probe.held_bytes();
  return all;
}

Device MachineProbe::device() {
  if (peaks_.empty()) look();
  struct sysinfo info {};
  ::sysinfo(&info);
  const auto peak = [&](double PeakSample::*member) {
    std::vector<double> samples;
    for (const PeakSample& sample : peaks_) samples.push_back(sample.*member);
    return median(std::move(samples));
  };
  Device device;
  device.name = "this-machine";
  device.title = fmt::format("{}, {} threads", cpu_model_name(), threads_.size());
  device.kind = DeviceKind::cpu;
  device.unified_memory = true;
  device.sources["probe"] = {"measured just now by the probes of `halftone doctor`", "measurement"};
  device.sources["system"] = {"what the operating system says", "measurement"};
  for (const Level& level : levels_)
    device.bandwidth_by_size.emplace_back(level.probe.bytes(), median(level.samples));
  const double bandwidth = device.bandwidth_by_size.back().second;
  device.figures = {{"sms", {available_cores(), "system"}},
                    {"threads_used", {threads_.size(), "system"}},
                    {"memory_bytes", {static_cast<double>(info.totalram) * info.mem_unit, "system"}},
                    {"bandwidth", {bandwidth, "probe"}},
                    {"achievable_bandwidth", {bandwidth, "probe"}}};
  if (private_cache_bytes() > 0)
    device.figures.push_back({"l2_bytes", {private_cache_bytes() * available_cores(), "system"}});
  device.peaks = {{"f32", {peak(&PeakSample::f32), "probe"}},
                  {"int8_acc32", {peak(&PeakSample::int8), "probe"}}};
  if (const double bf16 = peak(&PeakSample::bf16); bf16 > 0)
    device.peaks.push_back({"bf16_acc32", {bf16, "probe"}});
  device.notes = {"Its cores stand in the place of SMs."};
  for (const auto& [bytes, rate] : device.bandwidth_by_size)
    device.notes.push_back(
        fmt::format("{:.1f} MB read again and again: {:.1f} GB/s", bytes / 1e6, rate / 1e9));
  return device;
}

Device measured_device(ThreadPool& threads) {
  MachineProbe probe(threads);
  for (int i = 0; i < kLooks; ++i) probe.look();
  return probe.device();
}

}  // namespace halftone
