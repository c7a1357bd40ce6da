#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <sched.h>
#include <system_error>
#include <thread>
#include <vector>

#include "base/core_share.h"
#include "base/error.h"

namespace halftone {
namespace {

constexpr auto kSpin = std::chrono::microseconds(50);

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins for kSpin at most; true when `ready` came true.
template <class Ready>
bool spin_until(const Ready& ready) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  for (int i = 0;; ++i) {
    if (ready()) return true;
    pause();
    if (i % 64 == 63 && std::chrono::steady_clock::now() > deadline) return false;
  }
}

}  // namespace

// A loop is published by storing its fields, opening the gate and raising `generation`. Workers that come
// while the gate is open are counted and take part; the caller shuts it when no piece is left and waits for
// those alone, so a worker that gets no core in time costs nothing. One that shares its core with others
// leaves between two pieces and may come again (CoreShare). Behind a shut gate nobody reads the fields.
struct ThreadPool::Impl {
  static constexpr uint64_t kOpen = uint64_t{1} << 32;

  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable wake_workers, wake_caller;
  std::atomic<uint64_t> generation{0};
  std::atomic<uint64_t> gate{0};  ///< kOpen and how many workers came in
  std::atomic<uint64_t> left{0};  ///< how many of them are done
  std::atomic<bool> stop{false};
  std::atomic<int> callers_cpu{-1};
  CoreShare callers_core;
  std::atomic<uint64_t> callers_losses{0};

  int64_t count = 0, grain = 1;
  const std::function<void(int64_t, int64_t)>* body = nullptr;

  /// Pieces [next, end) that one thread takes before it helps the others: loop after loop the same part of
  /// the work, so that it finds in its core's cache what it wrote there.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::vector<Share> shares;

  void share_out() {
    const int64_t pieces = (count + grain - 1) / grain, size = static_cast<int64_t>(shares.size());
    for (int64_t i = 0; i < size; ++i) {
      shares[static_cast<size_t>(i)].next.store(pieces * i / size, std::memory_order_relaxed);
      shares[static_cast<size_t>(i)].end = pieces * (i + 1) / size;
    }
  }

  /// Whether no piece was left; else `enough` was said behind one.
  template <class Enough>
  bool work(size_t self, const Enough& enough) {
    for (size_t i = 0; i < shares.size(); ++i) {
      Share& share = shares[(self + i) % shares.size()];
      for (int64_t piece; (piece = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
        (*body)(piece * grain, std::min((piece + 1) * grain, count));
        if (enough()) return false;
      }
    }
    return true;
  }

  bool enter() {
    uint64_t seen = gate.load(std::memory_order_relaxed);
    while (seen & kOpen)
      if (gate.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire, std::memory_order_relaxed))
        return true;
    return false;
  }

  void serve(size_t self) {
    CoreShare core;
    uint64_t seen = 0, losses = 0;
    for (;;) {
      auto ready = [&] { return generation.load(std::memory_order_acquire) != seen || stop.load(); };
      if (!spin_until(ready)) {
        std::unique_lock lock(mutex);
        wake_workers.wait(lock, ready);
        core.slept();
      }
      if (stop.load()) return;
      seen = generation.load(std::memory_order_acquire);
      for (bool all = false; !all && enter();) {
        core.begin();
        all = work(self, [&] { return core.spent(); });
        leave();
        if (core.lost()) core.count_loss();
        if (core.spent()) core.rest(callers_cpu.load(std::memory_order_relaxed));
      }
      const uint64_t callers = callers_losses.load(std::memory_order_relaxed);
      if (callers != losses) core.count_loss();
      losses = callers;
    }
  }

  void end() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    wake_workers.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  void leave() {
    left.fetch_add(1, std::memory_order_acq_rel);
    std::lock_guard lock(mutex);
    wake_caller.notify_one();
  }
};

ThreadPool::ThreadPool(int size) : impl_(std::make_unique<Impl>()) {
  if (size <= 0) size = available_cores();
  impl_->shares = std::vector<Impl::Share>(static_cast<size_t>(size));
  try {
    for (size_t i = 1; i < impl_->shares.size(); ++i)
      impl_->threads.emplace_back([p = impl_.get(), i] { p->serve(i); });
  } catch (const std::system_error& error) {
    const size_t begun = impl_->threads.size() + 1;
    impl_->end();
    throw ResourceError("no more than {} of {} threads: {} (-t takes fewer)", begun, size,
                        error.code().message());
  }
}

ThreadPool::~ThreadPool() {
  impl_->end();
}

int ThreadPool::size() const {
  return static_cast<int>(impl_->threads.size()) + 1;
}

void ThreadPool::parallel_for(int64_t count, int64_t grain,
                              const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (impl_->threads.empty() || count <= grain) {
    body(0, count);
    return;
  }
  Impl& p = *impl_;
  p.count = count;
  p.grain = grain;
  p.body = &body;
  p.share_out();
  p.left.store(0, std::memory_order_relaxed);
  {
    std::lock_guard lock(p.mutex);
    p.gate.store(Impl::kOpen, std::memory_order_release);
    p.generation.fetch_add(1, std::memory_order_release);
  }
  p.wake_workers.notify_all();
  p.callers_cpu.store(sched_getcpu(), std::memory_order_relaxed);
  p.callers_core.begin();
  p.work(0, [] { return false; });
  if (p.callers_core.lost()) p.callers_losses.fetch_add(1, std::memory_order_relaxed);
  const uint64_t came = p.gate.fetch_and(~Impl::kOpen, std::memory_order_acq_rel) & ~Impl::kOpen;
  auto done = [&] { return p.left.load(std::memory_order_acquire) == came; };
  if (spin_until(done)) return;
  std::unique_lock lock(p.mutex);
  p.wake_caller.wait(lock, done);
}

int available_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) return std::max(1, CPU_COUNT(&mask));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace halftone
