#pragma once

// Wide and atomic accesses of global memory. `at` must be aligned as the type read or written.

#ifndef __CUDACC__
#include <atomic>
#include <cstring>
#endif

#include "backend/cuda/device/kernel.h"

namespace halftone::cuda {

#ifdef __CUDACC__
/// 16 bytes that are read once: they pass the first cache by.
DEVICE Words4 load_once(const Words4* at) {
  Words4 v;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(at));
  return v;
}
/// Reads or writes a `V` (up to 16 bytes) at an address of something smaller.
template <class V, class T>
DEVICE V load_wide(const T* at) {
  return *reinterpret_cast<const V*>(at);
}
template <class V, class T>
DEVICE void store_wide(T* at, V value) {
  *reinterpret_cast<V*>(at) = value;
}
/// Writes what other blocks of the kernel may write to the same place meanwhile: the same bits. The PTX
/// memory model has no word for that but a race. It does no harm where each block reads only behind a write
/// of its own: what lies there then is this value, whoever wrote last. On the host ThreadSanitizer reports
/// other bits.
template <class V, class T>
DEVICE void store_alike(T* at, V value) {
  store_wide(at, value);
}
/// Through the read-only cache.
template <class T>
DEVICE T load_cached(const T* at) {
  if constexpr (sizeof(T) == 16) {
    const uint4 v = __ldg(reinterpret_cast<const uint4*>(at));
    T out;
    memcpy(&out, &v, 16);
    return out;
  } else if constexpr (sizeof(T) == 8) {
    const uint2 v = __ldg(reinterpret_cast<const uint2*>(at));
    T out;
    memcpy(&out, &v, 8);
    return out;
  } else {
    return __ldg(at);
  }
}
DEVICE int atomic_add(int* to, int value) {
  return atomicAdd(to, value);
}
DEVICE float atomic_add(float* to, float value) {
  return atomicAdd(to, value);
}
/// Counts a block that has come so far: what its threads wrote before the barrier before this is seen, after
/// the next barrier, by the block that the count says is the last.
DEVICE int atomic_count(int* to) {
  int before;
  asm volatile("atom.add.acq_rel.gpu.global.s32 %0, [%1], 1;" : "=r"(before) : "l"(to) : "memory");
  return before;
}
#else
namespace host {
template <class T>
T load_aligned(const T* at) {
  if (reinterpret_cast<uintptr_t>(at) % alignof(T)) fault("a misaligned read of global memory");
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}
}  // namespace host
inline Words4 load_once(const Words4* at) {
  return host::load_aligned(at);
}
template <class V, class T>
V load_wide(const T* at) {
  return host::load_aligned(reinterpret_cast<const V*>(at));
}
template <class V, class T>
void store_wide(T* at, V value) {
  if (reinterpret_cast<uintptr_t>(at) % alignof(V)) host::fault("a misaligned write of global memory");
  std::memcpy(at, &value, sizeof(V));
}
template <class V, class T>
void store_alike(T* at, V value) {
  if (reinterpret_cast<uintptr_t>(at) % alignof(V)) host::fault("a misaligned write of global memory");
  host::store_alike(at, &value, sizeof(V));
}
template <class T>
T load_cached(const T* at) {
  return host::load_aligned(at);
}
namespace host {
template <class T>
T atomic_add(T* to, T value) {
  const T before = std::atomic_ref(*to).fetch_add(value, std::memory_order_relaxed);
  used_atomic(to, true);
  return before;
}
}  // namespace host
inline int atomic_add(int* to, int value) {
  return host::atomic_add(to, value);
}
inline float atomic_add(float* to, float value) {
  return host::atomic_add(to, value);
}
inline int atomic_count(int* to) {
  return std::atomic_ref(*to).fetch_add(1, std::memory_order_acq_rel);
}
#endif

}  // namespace halftone::cuda
