#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>

#include "backend/cuda/launch.h"

namespace halftone::cuda::host {

/// In which order the ready threads of a block are resumed. A kernel must give the same answer under each.
enum class ThreadOrder : uint8_t { forward, reverse, random };

/// Of the launches on one device, for ThreadSanitizer: how each one's threads know what earlier ones did.
class LaunchOrder {
 public:
  void next() { odd_ = !odd_; }
  /// Keys (sanitizer.h) for the end of the running launch and for that of the one before it.
  const void* this_end() const { return &ends_[odd_]; }
  const void* earlier_end() const { return &ends_[!odd_]; }

 private:
  char ends_[2] = {};
  bool odd_ = false;
};

/// Runs `kernel(args)` once a thread, each thread a fiber. Blocks start one after another; when all threads
/// of the started blocks wait for other blocks (spin()), the next one starts. Throws std::logic_error, naming
/// the kernel, block and thread, for what the PTX manual leaves undefined: a barrier or a warp-wide operation
/// that some thread of its group never reaches, shared memory accessed out of bounds or in a race, an
/// asynchronous copy read before its wait. With ThreadSanitizer, races in global memory are its to report.
void run_grid(const AnyDeviceKernel& kernel, std::span<const std::byte> args, const Launch& launch,
              LaunchOrder& launches, ThreadOrder order = ThreadOrder::forward, uint64_t seed = 0);

// For the functions of the device header, inside a kernel.

const Launch& grid();
Index3 block_index();
int thread_index();
/// Reports a fault of the running kernel.
[[noreturn]] void fault(const std::string& what);

/// Waits until every thread of the block that has not ended came here: to the same place in the source.
void wait_for_block(const std::source_location& where);
/// Likewise for the warp; ended threads are a fault. Orders the warp's accesses to shared memory.
void wait_for_warp(const std::source_location& where);
/// Lets other threads and blocks go on while this one waits for a value in memory.
void spin();

inline constexpr size_t kExchangeBytes = 32;
/// A warp-wide exchange: every lane gives up to kExchangeBytes bytes, and gets those of all 32 lanes,
/// kExchangeBytes apart, valid until its next exchange. Orders no memory.
const std::byte* exchange(const void* given, size_t bytes, const std::source_location& where);

/// Every thread calls it; without it, what earlier kernels write is not to be touched.
void wait_for_earlier_kernels();
/// fence() of the device header, and that a relaxed atomic access of `at` was just made, written or only
/// read. To ThreadSanitizer an access after a fence releases all that the thread knows by then, and a fence
/// after an access (of this thread, or of another before a barrier) acquires; PTX's fence.sc does as much for
/// what comes before the fence itself.
void fence();
void used_atomic(const void* at, bool written);
/// store_alike() of the device header. To ThreadSanitizer only the first of the writes is one, and the others
/// learn of it.
void store_alike(void* to, const void* from, size_t bytes);

/// Shared memory of the running block, and the check of one access of it by the running thread.
std::byte* shared_bytes();
void check_shared(size_t offset, size_t bytes, bool write);

/// Queues a copy of `bytes` bytes (zeros beyond `valid`) into shared memory at `offset`; it lands in
/// wait_copies().
void queue_copy(size_t offset, const void* from, size_t bytes, size_t valid);
void commit_copies();
/// Lands all of this thread's committed groups but the newest `pending`.
void wait_copies(int pending);

}  // namespace halftone::cuda::host
