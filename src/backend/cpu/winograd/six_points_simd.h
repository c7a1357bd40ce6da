#pragma once

// Winograd's transforms at the points 0, +-1/sqrt(2), +-sqrt(2) and infinity over Simd, for the per-ISA
// sources only, as simd.h.

#include "backend/cpu/simd.h"

namespace halftone::cpu {
namespace {

constexpr float kRoot = 1.41421356237309505f;

/// B^T d.
inline void transform_in(const Float (&d)[6], Float (&to)[6]) {
  const Float far = Simd::broadcast(-2.5f);
  to[0] = Simd::fma(d[2], far, Simd::add(d[0], d[4]));
  to[5] = Simd::fma(d[3], far, Simd::add(d[1], d[5]));
  const Float even = Simd::fma(d[2], Simd::broadcast(-2.0f), d[4]);
  const Float odd = Simd::fma(d[1], Simd::broadcast(-kRoot), Simd::mul(d[3], Simd::broadcast(kRoot / 2)));
  to[1] = Simd::add(even, odd);
  to[2] = Simd::sub(even, odd);
  const Float even_far = Simd::fma(d[2], Simd::broadcast(-0.5f), d[4]);
  const Float odd_far = Simd::fma(d[1], Simd::broadcast(-kRoot / 2), Simd::mul(d[3], Simd::broadcast(kRoot)));
  to[3] = Simd::add(even_far, odd_far);
  to[4] = Simd::sub(even_far, odd_far);
}

/// A^T m: the first kOutputs powers of the points, the last of them with what stands at infinity.
template <int kOutputs>
inline void transform_out(const Float (&m)[6], Float (&to)[kOutputs]) {
  static_assert(kOutputs >= 2 && kOutputs <= 4);
  const Float sum = Simd::add(m[1], m[2]), difference = Simd::sub(m[1], m[2]);
  const Float far_sum = Simd::add(m[3], m[4]), far_difference = Simd::sub(m[3], m[4]);
  const auto with_last = [&](int row, Float x) { return row == kOutputs - 1 ? Simd::add(x, m[5]) : x; };
  to[0] = Simd::add(m[0], Simd::add(sum, far_sum));
  to[1] = with_last(1, Simd::fma(difference, Simd::broadcast(kRoot / 2),
                                 Simd::mul(far_difference, Simd::broadcast(kRoot))));
  if constexpr (kOutputs > 2)
    to[2] = with_last(2, Simd::fma(sum, Simd::broadcast(0.5f), Simd::mul(far_sum, Simd::broadcast(2.0f))));
  if constexpr (kOutputs > 3)
    to[3] = Simd::fma(difference, Simd::broadcast(kRoot / 4),
                      Simd::fma(far_difference, Simd::broadcast(kRoot * 2), m[5]));
}

}  // namespace
}  // namespace halftone::cpu
