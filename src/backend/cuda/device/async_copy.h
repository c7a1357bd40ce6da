#pragma once

// cp.async: 16 bytes from global to shared memory, past the registers. Copies land at the wait for their
// group; other threads see them after the next barrier.

#include "backend/cuda/device/shared_memory.h"

namespace halftone::cuda {

#ifdef __CUDACC__
/// Both addresses 16-byte aligned. Copies the first `valid` bytes, zeros for the rest; with valid == 0,
/// `from` is not read.
template <class T>
DEVICE void copy_async_16(Shared<T> to, const void* from, int valid = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(valid)
               : "memory");
}
DEVICE void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits for all groups but the newest `Pending`.
template <int Pending>
DEVICE void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}
#else
template <class T>
void copy_async_16(Shared<T> to, const void* from, int valid = 16) {
  if (valid > 0 && reinterpret_cast<uintptr_t>(from) % 16) host::fault("cp.async from a misaligned address");
  host::queue_copy(to.offset(), from, 16, static_cast<size_t>(valid));
}
inline void commit_copies() {
  host::commit_copies();
}
template <int Pending>
void wait_copies() {
  host::wait_copies(Pending);
}
#endif

}  // namespace halftone::cuda
