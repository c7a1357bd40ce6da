#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace halftone {

/// A fixed set of threads that share one loop at a time. The caller works too, so size() == 1 owns no thread.
///
/// A thread takes the pieces of its own part first, then helps with the others'. Idle, it spins for some
/// microseconds and then sleeps; one that loses its core to another program again and again works in bursts
/// (CoreShare): so a busy neighbour on one core does not hold the others up.
class ThreadPool {
 public:
  /// `size` threads in all; 0 means one for each core this process may use.
  explicit ThreadPool(int size = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  /// Calls body(begin, end) over [0, count) in pieces of `grain` (the last may be shorter) and returns when
  /// all are done. The body must not throw and must not call the pool again.
  void parallel_for(int64_t count, int64_t grain,
                    const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Cores that this process may use (its affinity mask).
int available_cores();

}  // namespace halftone
