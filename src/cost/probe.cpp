#include "cost/probe.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <sys/mman.h>

#include "base/cpu.h"
#include "base/error.h"
#include "cost/probe_loops.h"

namespace halftone {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kBytesPerThread = size_t{128} << 20;
constexpr int kRuns = 7;
constexpr double kSecondsPerRun = 0.02;

struct Entry {
  Isa isa;
  const ProbeLoops* loops;
};

// Strongest last.
constexpr Entry kEntries[] = {
    {Isa::scalar, &probe_scalar},
#if defined(__x86_64__)
    {Isa::avx2, &probe_avx2},
    {Isa::avx512vnni, &probe_avx512vnni},
    {Isa::avx512bf16, &probe_avx512bf16},
#elif defined(__aarch64__)
    {Isa::neon, &probe_neon},
    {Isa::neondot, &probe_neondot},
#endif
};

/// The strongest loop that this processor may run.
template <class Loop>
Loop strongest(Loop ProbeLoops::*member) {
  Loop found = nullptr;
  for (const Entry& entry : kEntries)
    if (cpu_has(entry.isa) && entry.loops->*member) found = entry.loops->*member;
  return found;
}

/// Seconds that body(thread) takes on every thread at once.
double seconds(ThreadPool& threads, const std::function<void(int64_t)>& body) {
  const auto start = std::chrono::steady_clock::now();
  threads.parallel_for(threads.size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double peak(ThreadPool& threads, double (*loop)(int64_t rounds)) {
  if (!loop) return 0;
  int64_t rounds = 1000;
  double operations = 0;
  auto run = [&] {
    return seconds(threads, [&](int64_t thread) {
      const double done = loop(rounds);
      if (thread == 0) operations = done;
    });
  };
  while (run() < kSecondsPerRun) rounds *= 2;
  double best = 0;
  for (int i = 0; i < kRuns; ++i) {
    const double elapsed = run();
    best = std::max(best, operations * threads.size() / elapsed);
  }
  return best;
}

}  // namespace

double read_bandwidth(ThreadPool& threads) {
  const size_t bytes = kBytesPerThread * static_cast<size_t>(threads.size());
  std::unique_ptr<std::byte, decltype(&std::free)> buffer(
      static_cast<std::byte*>(std::aligned_alloc(kHugePage, bytes)), &std::free);
  if (!buffer) throw ResourceError("no {} bytes of memory to measure the read bandwidth with", bytes);
  madvise(buffer.get(), bytes, MADV_HUGEPAGE);

  auto part = [&](int64_t thread) { return buffer.get() + static_cast<size_t>(thread) * kBytesPerThread; };
  seconds(threads, [&](int64_t thread) { std::memset(part(thread), 1, kBytesPerThread); });
  const auto read = strongest(&ProbeLoops::read);
  double best = 0;
  for (int i = 0; i < kRuns; ++i) {
    const double elapsed = seconds(threads, [&](int64_t thread) {
      volatile uint64_t sink = read(part(thread), kBytesPerThread);
      static_cast<void>(sink);
    });
    best = std::max(best, static_cast<double>(bytes) / elapsed);
  }
  return best;
}

double peak_f32_flops(ThreadPool& threads) {
  return peak(threads, strongest(&ProbeLoops::f32));
}
double peak_int8_ops(ThreadPool& threads) {
  return peak(threads, strongest(&ProbeLoops::int8));
}
double peak_bf16_flops(ThreadPool& threads) {
  return peak(threads, strongest(&ProbeLoops::bf16));
}

}  // namespace halftone
