#pragma once

#include "backend/cuda/gemm/many_tokens_kernels.h"
#include "backend/cuda/gemm/unpack.h"

namespace halftone::cuda {

#ifdef __CUDACC__
/// The same number, of which the compiler does not know that it is: what is computed from it in a loop is
/// computed there each time and takes no registers across it.
DEVICE int again(int value) {
  asm volatile("" : "+r"(value));
  return value;
}
#else
inline int again(int value) {
  return value;
}
#endif

/// The group of `size` columns that a column lies in, for columns that only grow.
struct GroupCursor {
  int group;
  DEVICE_MEMBER GroupCursor(int column, int size) : group(column / size) {}
  DEVICE_MEMBER void advance(int column, int size) {
    while (column >= (group + 1) * size) ++group;
  }
};

/// Powers of two that scales, and so weights, are smaller by than WeightsView::row_factors say, so that a
/// code may be read as the subnormal number that it is in the low bits of an f16 (unpack.h) and its scale,
/// 2^24 times as large, still is one.
HOST_AND_DEVICE constexpr float shrinking(WeightKind kind, bool shared_zero) {
  return !shared_zero ? 1.0f : kind == WeightKind::int4 ? 0x1p-14f : 0x1p-12f;
}

/// Codes are read as 1024 + c * 2^bits_above: this brings c back.
template <WeightKind kind>
DEVICE constexpr float code_factor_of(int h) {
  return Unpack<kind>::raw_scale(h) * 0x1p-24f;
}

/// Of output `row` or `row` + 8 (h) of a tile, whose scales it makes those of WeightsView::row_factors.
DEVICE float inverse_factor(const WeightsView& w, int tile, int row, int h) {
  return tile < tiles_of(w.n) ? 1.0f / w.row_factors[tile * kTileRows + row + 8 * h] : 1.0f;
}

/// Scale or minimum i of those at `numbers`.
DEVICE float stored_number(const WeightsView& w, Shared<std::byte> numbers, int i) {
  return w.f32_scales ? load_as<float>(numbers + 4 * i)
                      : f32_of_f16x2(uint32_t{load_as<uint16_t>(numbers + 2 * i)}).x;
}

/// What a raw fragment is multiplied by, for a scale already divided by the row's factor.
template <WeightKind kind, bool kSharedZero>
DEVICE float fragment_scale(float scale, int h) {
  return kSharedZero               ? scale * (shrinking(kind, true) * Unpack<kind>::raw_scale(h))
         : Unpack<kind>::kIntegers ? scale
                                   : scale * Unpack<kind>::raw_scale(h);
}

/// -zero * scale, of a pair of fragment_scale()s, exactly.
template <WeightKind kind>
DEVICE uint32_t shared_bias(const WeightsView& w, uint32_t scale, int h) {
  const uint32_t zero = static_cast<uint32_t>(w.zero) << (code_factor_of<kind>(h) == 1 ? 0 : 4);
  return f16x2_mul(scale, (zero * 0x00010001u) | 0x80008000u);
}

/// What brings 1024 + c * 2^bits_above, times code_factor(), to c - zero.
template <WeightKind kind>
DEVICE float code_bias(const WeightsView& w, Shared<std::byte> zeros, int i, int h) {
  const float zero = w.offset_kind == OffsetKind::shared_zero ? static_cast<float>(w.zero)
                     : w.offset_kind == OffsetKind::zeros ? static_cast<float>(load_as<uint8_t>(zeros + i))
                                                          : 0.0f;
  return -1024 * code_factor_of<kind>(h) - zero;
}

/// A fragment's weights, of the raw one, each argument being pairs for outputs g and g + 8. With a shared
/// zero weight = code * scale - zero * scale, one fused operation, exact up to its rounding because the zero
/// is a power of two; otherwise code - zero is made exactly first.
template <WeightKind kind, bool kSharedZero>
DEVICE void scale_fragment(const uint32_t (&scale)[2], const uint32_t (&bias)[2],
                           const uint32_t (&minimum)[2], uint32_t (&a)[4]) {
  UNROLL
  for (int r = 0; r < 4; ++r) {
    const int h = r % 2;
    if constexpr (Unpack<kind>::kIntegers && kSharedZero) {
      a[r] = f16x2_fma(a[r], scale[h], bias[h]);
    } else if constexpr (Unpack<kind>::kIntegers) {
      const uint32_t factor = f16x2_of(code_factor_of<kind>(h), code_factor_of<kind>(h));
      a[r] = f16x2_fma(f16x2_fma(a[r] | 0x64006400u, factor, bias[h]), scale[h], minimum[h]);
    } else if constexpr (Unpack<kind>::kScaled) {
      a[r] = f16x2_mul(a[r], scale[h]);
    }
  }
}

}  // namespace halftone::cuda
