#include "cost/probe.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/cpu.h"
#include "base/error.h"
#include "cost/memory.h"
#include "cost/probe_loops.h"

namespace halftone {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kLeastBytesPerThread = size_t{128} << 20;
constexpr double kMostBytes = double{1} * (size_t{2} << 30);
/// A look at a small buffer reads it so often that this many bytes go through.
constexpr size_t kBytesPerLook = size_t{64} << 20;
/// The probe's loops take that many bytes at a step, as that many streams.
constexpr size_t kStep = 1024, kStreams = 4;
constexpr size_t kLongStream = size_t{256} << 10, kApart = size_t{71} << 10;
constexpr int kRuns = 7;
constexpr double kSecondsPerRun = 0.02;
constexpr double kSecondsPerLook = 0.03;

struct Entry {
  Isa isa;
  const ProbeLoops* loops;
};

// Strongest last.
constexpr Entry kEntries[] = {
    {Isa::scalar, &probe_scalar},
#if defined(__x86_64__)
    {Isa::avx2, &probe_avx2},
    {Isa::avxvnni, &probe_avxvnni},
    {Isa::avx512vnni, &probe_avx512vnni},
    {Isa::avx512bf16, &probe_avx512bf16},
    {Isa::amx, &probe_amx},
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

/// Operations per second of `runs` runs of at least `least` seconds: the best of them.
double peak(ThreadPool& threads, double (*loop)(int64_t rounds), int runs, double least) {
  if (!loop) return 0;
  int64_t rounds = 1000;
  double operations = 0;
  auto run = [&] {
    return seconds(threads, [&](int64_t thread) {
      const double done = loop(rounds);
      if (thread == 0) operations = done;
    });
  };
  while (run() < least) rounds *= 2;
  double best = 0;
  for (int i = 0; i < runs; ++i) {
    const double elapsed = run();
    best = std::max(best, operations * threads.size() / elapsed);
  }
  return best;
}

double best_peak(ThreadPool& threads, double (*loop)(int64_t rounds)) {
  return peak(threads, loop, kRuns, kSecondsPerRun);
}

/// Bytes for each of `threads`, about `bytes` together. Streams of a thread that lie a power of two apart
/// fall into the same sets of caches and banks of memory, and are read at little more than half the speed
/// (Zen 3, 1 GiB: 18 and not 32 GB/s); so long ones are an odd number of KiB apart.
size_t probe_bytes_per_thread(double bytes, int threads) {
  const size_t each = round_up(std::max<size_t>(static_cast<size_t>(bytes / threads), kStep), kStep);
  const size_t stream = each / kStreams;
  return stream < kLongStream ? each : (stream / kLongStream * kLongStream + kApart) * kStreams;
}

}  // namespace

ReadProbe::ReadProbe(ThreadPool& threads, double bytes)
    : threads_(threads), bytes_per_thread_(probe_bytes_per_thread(bytes, threads.size())) {
  const size_t all = round_up(bytes_per_thread_ * static_cast<size_t>(threads.size()), kHugePage);
  buffer_.reset(static_cast<std::byte*>(std::aligned_alloc(kHugePage, all)));
  if (!buffer_) throw ResourceError("no {} bytes of memory to measure the read bandwidth with", all);
  madvise(buffer_.get(), all, MADV_HUGEPAGE);
  seconds(threads_, [&](int64_t thread) {
    std::memset(buffer_.get() + static_cast<size_t>(thread) * bytes_per_thread_, 1, bytes_per_thread_);
  });
}

double ReadProbe::bytes() const {
  return static_cast<double>(bytes_per_thread_) * threads_.size();
}

double ReadProbe::held_bytes() const {
  return static_cast<double>(round_up(bytes_per_thread_ * static_cast<size_t>(threads_.size()), kHugePage));
}

double ReadProbe::sample() const {
  const auto read = strongest(&ProbeLoops::read);
  const size_t rounds = std::max<size_t>(1, kBytesPerLook / bytes_per_thread_);
  const double elapsed = seconds(threads_, [&](int64_t thread) {
    for (size_t i = 0; i < rounds; ++i) {
      volatile uint64_t sink =
          read(buffer_.get() + static_cast<size_t>(thread) * bytes_per_thread_, bytes_per_thread_);
      static_cast<void>(sink);
    }
  });
  return bytes() * static_cast<double>(rounds) / elapsed;
}

double streaming_bytes(const ThreadPool& threads) {
  double last = 0;
  for (int level : {_SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL4_CACHE_SIZE})
    last = std::max(last, static_cast<double>(::sysconf(level)));
  const double least = static_cast<double>(kLeastBytesPerThread) * threads.size();
  return std::min({std::max(4 * last, least), kMostBytes, free_memory_bytes().value_or(kMostBytes) / 4});
}

double private_cache_bytes() {
  return std::max(0.0, static_cast<double>(::sysconf(_SC_LEVEL2_CACHE_SIZE)));
}

double read_bandwidth(ThreadPool& threads) {
  return read_bandwidth(threads, streaming_bytes(threads));
}

double read_bandwidth(ThreadPool& threads, double working_set) {
  const ReadProbe probe(threads, std::min(working_set, streaming_bytes(threads)));
  double best = 0;
  for (int i = 0; i < kRuns; ++i) best = std::max(best, probe.sample());
  return best;
}

double peak_f32_flops(ThreadPool& threads) {
  return best_peak(threads, strongest(&ProbeLoops::f32));
}
double peak_int8_ops(ThreadPool& threads) {
  return best_peak(threads, strongest(&ProbeLoops::int8));
}
double peak_bf16_flops(ThreadPool& threads) {
  return best_peak(threads, strongest(&ProbeLoops::bf16));
}

PeakSample sample_peaks(ThreadPool& threads) {
  const auto look = [&](double (*loop)(int64_t)) { return peak(threads, loop, 1, kSecondsPerLook); };
  return {look(strongest(&ProbeLoops::f32)), look(strongest(&ProbeLoops::int8)),
          look(strongest(&ProbeLoops::bf16))};
}

}  // namespace halftone
