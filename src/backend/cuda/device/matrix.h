#pragma once

// Tensor Cores: D = A B + D, one warp a product. Fragments as in the PTX manual, "Matrix Fragments for mma";
// with g = lane / 4 and t = lane % 4:
//   m16n8k16, 16-bit floats (two a word, the lower column first):
//     a[0] = A[g][2t..], a[1] = A[g + 8][2t..], a[2] = A[g][2t + 8..], a[3] = A[g + 8][2t + 8..]
//     b[0] = B[2t..][g], b[1] = B[2t + 8..][g]
//   m16n8k32, s8, or u8 by s8 (four a word):
//     a[0] = A[g][4t..], a[1] = A[g + 8][4t..], a[2] = A[g][4t + 16..], a[3] = A[g + 8][4t + 16..]
//     b[0] = B[4t..][g], b[1] = B[4t + 16..][g]
//   m16n8k8, tf32 (an f32 whose low 13 bits do not count):
//     a[0] = A[g][t], a[1] = A[g + 8][t], a[2] = A[g][t + 4], a[3] = A[g + 8][t + 4]
//     b[0] = B[t][g], b[1] = B[t + 4][g]
//   all: d[0], d[1] = D[g][2t], D[g][2t + 1]; d[2], d[3] = D[g + 8][2t], D[g + 8][2t + 1]

#include "backend/cuda/device/half.h"
#include "backend/cuda/device/sync.h"

namespace halftone::cuda {

#ifdef __CUDACC__
DEVICE void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma_s8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/// A of u8, B of s8.
DEVICE void mma_u8_s8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/// Four 8x8 matrices of 16-bit elements: lane l gives the address of row l % 8 of matrix l / 8 (16 bytes,
/// 16-byte aligned). Word m of a lane holds row g, elements 2t and 2t + 1 of matrix m (of its transpose:
/// column g, rows 2t, 2t + 1).
template <class T>
DEVICE void load_matrices(uint32_t (&out)[4], Shared<T> row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(shared_address(row)));
}
template <class T>
DEVICE void load_matrices_transposed(uint32_t (&out)[4], Shared<T> row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(shared_address(row)));
}
#else
namespace host {
void mma_16bit(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], float (*to_f32)(uint16_t),
               const std::source_location& where);
void mma_8bit(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool a_is_signed,
              const std::source_location& where);
void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
              const std::source_location& where);
void load_matrices(uint32_t (&out)[4], size_t row_offset, bool transposed, const std::source_location& where);
}  // namespace host

inline void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                    const Where& where = Where::current()) {
  host::mma_16bit(
      d, a, b, [](uint16_t bits) { return to_float(Half{bits}); }, where);
}
inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                     const Where& where = Where::current()) {
  host::mma_16bit(
      d, a, b, [](uint16_t bits) { return to_float(BFloat16{bits}); }, where);
}
inline void mma_s8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                   const Where& where = Where::current()) {
  host::mma_8bit(d, a, b, true, where);
}
inline void mma_u8_s8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                      const Where& where = Where::current()) {
  host::mma_8bit(d, a, b, false, where);
}
inline void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                     const Where& where = Where::current()) {
  host::mma_tf32(d, a, b, where);
}
template <class T>
void load_matrices(uint32_t (&out)[4], Shared<T> row, const Where& where = Where::current()) {
  host::load_matrices(out, row.offset(), false, where);
}
template <class T>
void load_matrices_transposed(uint32_t (&out)[4], Shared<T> row, const Where& where = Where::current()) {
  host::load_matrices(out, row.offset(), true, where);
}
#endif

}  // namespace halftone::cuda
