#pragma once

// Barriers and exchanges. All 32 lanes of a warp take part in an exchange.

#ifndef __CUDACC__
#include <atomic>
#include <cstring>
#endif

#include "backend/cuda/device/shared_memory.h"

namespace halftone::cuda {

#ifdef __CUDACC__
DEVICE void sync_block() {
  __syncthreads();
}
DEVICE void sync_warp() {
  __syncwarp();
}
/// Makes this thread's writes to global memory visible to other blocks before its later ones.
DEVICE void fence() {
  __threadfence();
}
/// Waits, at `*flag`, for a value that another block writes.
DEVICE void wait_until(const int* flag, int value) {
  while (*static_cast<const volatile int*>(flag) != value) __nanosleep(20);
  __threadfence();
}

template <class T>
DEVICE T shuffle(T value, int from) {
  return __shfl_sync(0xffffffffu, value, from);
}
template <class T>
DEVICE T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
/// Bit l is lane l's condition.
DEVICE uint32_t ballot(bool condition) {
  return __ballot_sync(0xffffffffu, condition);
}
#else
using Where = std::source_location;
inline void sync_block(const Where& where = Where::current()) {
  host::wait_for_block(where);
}
inline void sync_warp(const Where& where = Where::current()) {
  host::wait_for_warp(where);
}
inline void fence() {
  host::fence();
}
inline void wait_until(const int* flag, int value) {
  while (std::atomic_ref(*const_cast<int*>(flag)).load(std::memory_order_relaxed) != value) host::spin();
  host::used_atomic(flag, false);
  host::fence();
}

namespace host {
template <class T>
T of_lane(const std::byte* all, int lane) {
  T value;
  std::memcpy(&value, all + static_cast<size_t>(lane & (kWarp - 1)) * kExchangeBytes, sizeof(T));
  return value;
}
}  // namespace host

template <class T>
T shuffle(T value, int from, const Where& where = Where::current()) {
  return host::of_lane<T>(host::exchange(&value, sizeof(T), where), from);
}
template <class T>
T shuffle_xor(T value, int mask, const Where& where = Where::current()) {
  return host::of_lane<T>(host::exchange(&value, sizeof(T), where), lane() ^ mask);
}
inline uint32_t ballot(bool condition, const Where& where = Where::current()) {
  const std::byte* all = host::exchange(&condition, sizeof(bool), where);
  uint32_t bits = 0;
  for (int l = 0; l < kWarp; ++l) bits |= uint32_t{host::of_lane<bool>(all, l)} << l;
  return bits;
}
#endif

/// Sum over the warp, the same in every lane; T is float or int here and below.
template <class T>
DEVICE T warp_sum(T value) {
  UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}
template <class T>
DEVICE T warp_max(T value) {
  UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const T other = shuffle_xor(value, mask);
    value = value > other ? value : other;
  }
  return value;
}

/// Sum over the block, the same in every thread. `scratch`: kWarp elements that nothing else uses until the
/// next barrier after it.
template <class T>
DEVICE T block_sum(T value, Shared<T> scratch) {
  value = warp_sum(value);
  sync_block();
  if (lane() == 0) scratch[warp()] = value;
  sync_block();
  return warp_sum(lane() < block_warps() ? static_cast<T>(scratch[lane()]) : T{});
}
template <class T>
DEVICE T block_max(T value, Shared<T> scratch) {
  value = warp_max(value);
  sync_block();
  if (lane() == 0) scratch[warp()] = value;
  sync_block();
  return warp_max(static_cast<T>(scratch[lane() < block_warps() ? lane() : 0]));
}

}  // namespace halftone::cuda
