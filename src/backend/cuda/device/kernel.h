#pragma once

// A kernel's frame: how it is defined, and which thread of which block runs.

#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define DEVICE __device__ __forceinline__
/// Of a class.
#define DEVICE_MEMBER __device__ __forceinline__
/// For what the launching side computes as the kernel does.
#define HOST_AND_DEVICE __host__ __device__ __forceinline__
#define UNROLL _Pragma("unroll")
#define UNROLL_ONE _Pragma("unroll 1")
#define UNROLL_TWO _Pragma("unroll 2")
#define UNROLL_FOUR _Pragma("unroll 4")
/// `bounds` goes before the name; what runs `before` the body comes first.
#define HALFTONE_DEVICE_KERNEL(name, Args, bounds, before)                    \
  static __device__ __forceinline__ void name##_body(const Args& args);       \
  extern "C" __global__ void bounds name(const __grid_constant__ Args args) { \
    before;                                                                   \
    name##_body(args);                                                        \
  }                                                                           \
  static __device__ __forceinline__ void name##_body([[maybe_unused]] const Args& args)
#define DEVICE_KERNEL(name, Args) HALFTONE_DEVICE_KERNEL(name, Args, , start_kernel())
/// The most threads a block has, and how many blocks an SM is to hold: bounds the registers.
#define DEVICE_KERNEL_BOUNDED(name, Args, threads, blocks) \
  HALFTONE_DEVICE_KERNEL(name, Args, __launch_bounds__(threads, blocks), start_kernel())
/// A kernel that loads constants first: every thread of it calls wait_for_earlier_kernels() itself, before
/// it touches anything that a kernel writes, and before it ends.
#define DEVICE_KERNEL_AHEAD(name, Args, threads, blocks) \
  HALFTONE_DEVICE_KERNEL(name, Args, __launch_bounds__(threads, blocks), let_next_kernel_start())
#define DECLARE_DEVICE_KERNEL(name, Args)
#else
#include "backend/cuda/device/host/block.h"
#include "backend/cuda/launch.h"
#define DEVICE inline
#define DEVICE_MEMBER
#define HOST_AND_DEVICE inline
#define UNROLL
#define UNROLL_ONE
#define UNROLL_TWO
#define UNROLL_FOUR
#define HALFTONE_DEVICE_KERNEL(name, Args, before)                                           \
  static void name##_on_host(const Args& args);                                              \
  extern const DeviceKernel<Args> name{#name, HALFTONE_DEVICE_MODULE, [](const void* args) { \
                                         before;                                             \
                                         name##_on_host(*static_cast<const Args*>(args));    \
                                       }};                                                   \
  static void name##_on_host([[maybe_unused]] const Args& args)
#define DEVICE_KERNEL(name, Args) HALFTONE_DEVICE_KERNEL(name, Args, host::wait_for_earlier_kernels())
#define DEVICE_KERNEL_BOUNDED(name, Args, threads, blocks) DEVICE_KERNEL(name, Args)
#define DEVICE_KERNEL_AHEAD(name, Args, threads, blocks) HALFTONE_DEVICE_KERNEL(name, Args, )
#endif

namespace halftone::cuda {

constexpr int kWarp = 32;

/// Whether kernels are compiled for compute capability 9.0 or later, or for the host.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
constexpr bool kSince90 = false;
#else
constexpr bool kSince90 = true;
#endif

// From compute capability 9.0 on the blocks of a kernel may come to an SM while the kernel before it in the
// stream still runs (programmatic dependent launch), once all blocks of that one have started. What earlier
// kernels wrote, and may still read, is theirs until wait_for_earlier_kernels().
#ifdef __CUDACC__
DEVICE void let_next_kernel_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}
DEVICE void wait_for_earlier_kernels() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
DEVICE void start_kernel() {
  let_next_kernel_start();
  wait_for_earlier_kernels();
}
#else
inline void wait_for_earlier_kernels() {
  host::wait_for_earlier_kernels();
}
#endif

struct alignas(8) Vec2 {
  float x, y;
};
struct alignas(16) Vec4 {
  float x, y, z, w;
};
struct alignas(8) Words2 {
  uint32_t x, y;
};
struct alignas(16) Words4 {
  uint32_t x, y, z, w;
};

#ifdef __CUDACC__
DEVICE int thread() {
  return static_cast<int>(threadIdx.x);
}
DEVICE int block_threads() {
  return static_cast<int>(blockDim.x);
}
DEVICE int block_x() {
  return static_cast<int>(blockIdx.x);
}
DEVICE int block_y() {
  return static_cast<int>(blockIdx.y);
}
DEVICE int block_z() {
  return static_cast<int>(blockIdx.z);
}
DEVICE int grid_x() {
  return static_cast<int>(gridDim.x);
}
DEVICE int grid_y() {
  return static_cast<int>(gridDim.y);
}
#else
inline int thread() {
  return host::thread_index();
}
inline int block_threads() {
  return host::grid().threads;
}
inline int block_x() {
  return host::block_index().x;
}
inline int block_y() {
  return host::block_index().y;
}
inline int block_z() {
  return host::block_index().z;
}
inline int grid_x() {
  return host::grid().blocks.x;
}
inline int grid_y() {
  return host::grid().blocks.y;
}
#endif
DEVICE int lane() {
  return thread() % kWarp;
}
DEVICE int warp() {
  return thread() / kWarp;
}
DEVICE int block_warps() {
  return block_threads() / kWarp;
}

}  // namespace halftone::cuda
