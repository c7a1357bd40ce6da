#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>

#include "backend/cuda/launch.h"

namespace halftone::cuda::host {

/// In which order the ready threads of a block are resumed. A kernel must give the same answer under each.
enum class ThreadOrder : uint8_t { forward, reverse, random };

/// Runs `kernel(args)` once a thread, each thread a fiber. Blocks start one after another; when all threads
/// of the started blocks wait for other blocks (spin()), the next one starts. Throws std::logic_error, naming
/// the kernel, block and thread, for what the PTX manual leaves undefined: a barrier or a warp-wide operation
/// that some thread of its group never reaches, shared memory accessed out of bounds or in a race, an
/// asynchronous copy read before its wait.
void run_grid(const AnyDeviceKernel& kernel, const void* args, const Launch& launch,
              ThreadOrder order = ThreadOrder::forward, uint64_t seed = 0);

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
