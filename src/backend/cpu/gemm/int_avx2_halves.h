#pragma once

// The weights of a tile on AVX2, for gemm_int_avx2.cpp only (gemm_int_loops.h says why all of it is in an
// unnamed namespace).

#include "backend/cpu/gemm/int_avx2_vectors.h"

namespace halftone::cpu {
namespace {

/// Which weights a tile reads: kHalves halves of panels, their codes in units of kUnitBytes.
template <int kHalves>
struct HalfPanels {
  const std::byte* panel[kHalves];
  const std::byte* codes[kHalves];
  int64_t lane[kHalves];  ///< of the panel: 0 or 8
  int64_t output[kHalves];
};

/// Fetches the beginnings of the panels that are read next, some lines with each segment: processors follow a
/// stream of memory once they have seen it begin, and do not foresee where the next one does.
template <int kHalves>
struct NextPanels {
  static constexpr int64_t kLine = 64;
  /// Bytes of codes behind the scales: as far as fetching ahead in a panel reaches.
  static constexpr int64_t kCodes = 1024;
  static constexpr int64_t kMostLines = 4;
  int64_t step, lines;

  explicit NextPanels(const IntPanelsView& weights) : step(kHalves / 2 * weights.panel_bytes) {
    const int64_t all = (weights.codes_offset + kCodes) / kLine;
    const int64_t each = (all + weights.segment_count - 1) / weights.segment_count;
    lines = each < kMostLines ? each : kMostLines;
  }
  void fetch(const HalfPanels<kHalves>& at, int64_t segment) const {
    for (int64_t line = segment * lines; line < (segment + 1) * lines; ++line)
#pragma GCC unroll 4
      for (int h = 0; h < kHalves; h += 2) __builtin_prefetch(at.panel[h] + step + line * kLine, 0, 2);
  }
};

}  // namespace
}  // namespace halftone::cpu
