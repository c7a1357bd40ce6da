#pragma once

// Activations -> int8, for the per-ISA sources only (gemm_int_loops.h says
// why all of it is in an unnamed namespace).

#include "backend/cpu/gemm/gemm_int.h"

namespace halftone::cpu {
namespace {

constexpr float kTiny = 0x1p-120f;  // kSmallestAbsmax of scheme/dynamic.h

/// IntRows::other of loops that want none.
inline int64_t no_other_bytes(const IntPanelsView&, int64_t) {
  return 0;
}

/// Writes rows of IntRows::other.
struct NoOther {
  NoOther(const IntPanelsView&, const IntRows&) {}
  void store(int64_t) const {}
};

/// scheme/dynamic.h's quantize_token, written into the segments of its columns; plain loops that compilers
/// vectorise.
template <class V, class Other = NoOther>
void quantize_rows(const IntPanelsView& weights, const float* a, const IntRows& to, int64_t begin,
                   int64_t end) {
  const Other other{weights, to};
  const int32_t start = weights.zero_kind == ZeroKind::shared ? V::code_bias(weights.bits) - weights.zero : 1;
  for (int64_t m = begin; m < end; ++m) {
    const float* row = a + m * weights.k;
    int8_t* codes = to.codes + m * to.stride;
    int64_t measured = -1;
    float inverse = 0;
    for (int64_t s = 0; s < weights.segment_count; ++s) {
      const IntSegment& segment = weights.segments[s];
      if (segment.a_group != measured) {
        measured = segment.a_group;
        const int64_t first = measured * to.group;
        const int64_t last = first + to.group < weights.k ? first + to.group : weights.k;
        int32_t magnitude = 0;
        for (int64_t k = first; k < last; ++k) {
          const int32_t bits = __builtin_bit_cast(int32_t, row[k]) & 0x7fffffff;
          magnitude = bits > magnitude ? bits : magnitude;
        }
        const float absmax = __builtin_bit_cast(float, magnitude);
        const bool finite = magnitude < 0x7f800000;
        const bool counts = finite && absmax >= kTiny;
        inverse = counts ? 127.0f / absmax : 0.0f;
        to.scales[m * to.groups + measured] = counts ? absmax / 127.0f : finite ? 0.0f : __builtin_nanf("");
      }
      int8_t* into = codes + segment.packed;
      const float* from = row + segment.begin;
      const int64_t count = segment.end - segment.begin;
      const int64_t padded = segment.units * (kQuad * 8 / weights.bits);
      int32_t sum = 0;
      if (inverse != 0) {
        for (int64_t i = 0; i < count; ++i) {
          const int32_t code = __builtin_bit_cast(int32_t, from[i] * inverse + 0x1.8p23f) - 0x4b400000;
          into[i] = static_cast<int8_t>(code);
          sum += code;
        }
      } else {
        for (int64_t i = 0; i < count; ++i) into[i] = 0;
      }
      for (int64_t i = count; i < padded; ++i) into[i] = 0;
      to.sums[s * to.sums_step + m] = sum * start;
    }
    other.store(m);
  }
}

}  // namespace
}  // namespace halftone::cpu
