#pragma once

#include <cstdint>

namespace halftone {

/// The innermost loop of multiply() for one instruction set.
struct MultiplyKernel {
  int64_t rows;     ///< of a tile
  int64_t columns;  ///< of a tile
  /// out [rows, columns] = the product of `a`, packed as [depth][rows], and `b`, packed as [depth][columns].
  void (*tile)(int64_t depth, const float* a, const float* b, float* out);
};

extern const MultiplyKernel multiply_avx512vnni;
extern const MultiplyKernel multiply_avx2;
extern const MultiplyKernel multiply_neon;
extern const MultiplyKernel multiply_scalar;

}  // namespace halftone
