#pragma once

// Tensor Cores of compute capability 9.0 (wgmma, sm_90a alone): four warps, the first of them of a number
// that four divides, multiply together and go on while the product is made. Warp w of the four has rows 16w
// to 16w + 15 of A and D as it has them of m16n8k16 (matrix.h): d[4j] to d[4j + 3] are its sums of columns 8j
// to 8j + 7.
//
// B [columns, 64] in f16 lies in shared memory from a multiple of 1024 bytes on, 128 bytes a row, chunk c of
// 16 bytes of row r in the place of chunk c ^ (r % 8) (PTX manual, "128-Byte swizzling").

#include "backend/cuda/device/matrix.h"

namespace halftone::cuda {

/// Byte of chunk `chunk` of row `row` of such a B.
HOST_AND_DEVICE constexpr int warpgroup_place(int row, int chunk) {
  return row * 128 + ((chunk ^ (row % 8)) << 4);
}

#ifdef __CUDACC__
/// What computes a fragment comes before this and not, by the compiler's choice, among products that are on
/// their way: those it would make wait for each other.
DEVICE void settle(uint32_t (&a)[4]) {
  asm volatile("" : "+r"(a[0]), "+r"(a[1]), "+r"(a[2]), "+r"(a[3])::"memory");
}
/// Before products that read registers or sums written since the last one.
DEVICE void begin_warpgroup() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
DEVICE void commit_warpgroup() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits for all committed products but those of the newest `Pending` groups. Their registers may not be
/// touched before.
template <int Pending>
DEVICE void wait_warpgroup() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}
/// Makes what this thread wrote or copied to shared memory visible to products behind the next barrier.
DEVICE void show_to_warpgroup() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
// clang-format off
#define HALFTONE_SUMS_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define HALFTONE_SUMS_16(i) HALFTONE_SUMS_4(i), HALFTONE_SUMS_4(i + 4), HALFTONE_SUMS_4(i + 8), HALFTONE_SUMS_4(i + 12)
/// d += A x B^T for columns 16 `step` to 16 `step` + 15 of the 64.
template <int kColumns, class T>
DEVICE void mma_warpgroup(float (&d)[kColumns / 2], const uint32_t (&a)[4], Shared<T> rows, int step) {
  // The start in 16 bytes, 1024 bytes from eight rows to the next, and the swizzling.
  const uint64_t b = (uint64_t{1} << 62) | (uint64_t{64} << 32) | (uint64_t{1} << 16) |
                     (((shared_address(rows) + static_cast<uint32_t>(step) * 32) & 0x3ffffu) >> 4);
  if constexpr (kColumns == 64) {
    asm volatile(
        "{.reg .pred add; setp.ne.b32 add, %37, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
        "{%32, %33, %34, %35}, %36, add, 1, 1, 0;}"
        : HALFTONE_SUMS_16(0), HALFTONE_SUMS_16(16)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(1));
  } else if constexpr (kColumns == 128) {
    asm volatile(
        "{.reg .pred add; setp.ne.b32 add, %69, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "{%64, %65, %66, %67}, %68, add, 1, 1, 0;}"
        : HALFTONE_SUMS_16(0), HALFTONE_SUMS_16(16), HALFTONE_SUMS_16(32), HALFTONE_SUMS_16(48)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(1));
  }
}
#undef HALFTONE_SUMS_16
#undef HALFTONE_SUMS_4
// clang-format on
#else
inline void settle(uint32_t (&)[4]) {}
inline void begin_warpgroup(const Where& where = Where::current()) {
  const std::byte nothing{};
  host::exchange(&nothing, sizeof(nothing), where);
}
inline void commit_warpgroup() {}
template <int Pending>
void wait_warpgroup() {}
inline void show_to_warpgroup() {}
template <int kColumns, class T>
void mma_warpgroup(float (&d)[kColumns / 2], const uint32_t (&a)[4], Shared<T> rows, int step,
                   const Where& where = Where::current()) {
  const Shared<std::byte> b(rows.offset());
  if (rows.offset() % 1024)
    host::fault("a factor of a warpgroup's product that begins at no multiple of 1024");
  for (int j = 0; j < kColumns / 8; ++j) {
    uint32_t pair[2];
    for (int i = 0; i < 2; ++i)
      pair[i] = load_as<uint32_t>(b + (warpgroup_place(8 * j + lane() / 4, 2 * step + i) + lane() % 4 * 4));
    float sums[4];
    for (int i = 0; i < 4; ++i) sums[i] = d[4 * j + i];
    mma_f16(sums, a, pair, where);
    for (int i = 0; i < 4; ++i) d[4 * j + i] = sums[i];
  }
}
#endif

}  // namespace halftone::cuda
