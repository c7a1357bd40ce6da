#pragma once

// Few rows times one panel, read in the order of its addresses; for the per-ISA sources only
// (gemm_int_loops.h says why all of it is in an unnamed namespace).

#include "backend/cpu/gemm/int_segment.h"

namespace halftone::cpu {
namespace {

/// Fetches lines in the order of their addresses, though scales are read beside the codes: one stream, which
/// the processor follows furthest. Codes are fetched kAhead bytes before they are read, and as much more
/// towards the end of a panel as the next one has in front of its codes.
class FetchInOrder {
 public:
  FetchInOrder(const IntPanelsView& weights, const std::byte* codes)
      : next_(codes + kAhead), front_lines_(weights.codes_offset / kLine), segments_(weights.segment_count) {}

  void line() {
    __builtin_prefetch(next_);
    next_ += kLine;
  }
  /// One segment's part of as many lines as a front has: codes alone would fall behind.
  void front() {
    for (owed_ += front_lines_; owed_ >= segments_; owed_ -= segments_) line();
  }

 private:
  static constexpr int64_t kLine = 64, kAhead = 7168;
  const std::byte* next_;
  int64_t front_lines_, segments_, owed_ = 0;
};

template <class V, Mode kMode, int kBits, int kRows>
void panel_in_order(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m0,
                    int64_t panel_index) {
  constexpr int kQuads = 8 / kBits;
  constexpr int kSums = kRows <= 2 ? kQuads : 1;  // one would wait for itself at each quad of a unit
  const std::byte* panel = weights.data + panel_index * weights.panel_bytes;
  const std::byte* codes = panel + weights.codes_offset;
  const int8_t* a = rows.codes + m0 * rows.stride;
  FetchInOrder fetch(weights, codes);
  typename V::Float sum[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) sum[r] = V::broadcast(0.0f);

  for (int64_t s = 0; s < weights.segment_count; ++s) {
    const IntSegment& segment = weights.segments[s];
    const int32_t* sums = rows.sums + s * rows.sums_step + m0;
    fetch.front();
    typename V::Int acc[kRows][kSums];
    const Start<V, kMode> start(weights, panel, segment);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      acc[r][0] = start(sums[r]);
#pragma GCC unroll 4
      for (int i = 1; i < kSums; ++i) acc[r][i] = V::broadcast(0);
    }
    const int8_t* quad = a + segment.packed;
    for (int64_t u = 0; u < segment.units; ++u, quad += kQuads * kQuad, codes += kUnitBytes) {
      fetch.line();
      typename V::Codes quads[kQuads];
      V::template unpack<kBits>(codes, quads);
#pragma GCC unroll 4
      for (int q = 0; q < kQuads; ++q)
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          typename V::Int& one = acc[r][q % kSums];
          one = V::dot(one, quads[q], V::quad(quad + r * rows.stride + q * kQuad));
        }
    }
    const Finish<V, kMode> add(weights, panel, segment);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const float* row_scale =
          has_group_scales<kMode>(rows) ? rows.scales + (m0 + r) * rows.groups + segment.a_group : nullptr;
#pragma GCC unroll 4
      for (int i = 1; i < kSums; ++i) acc[r][0] = V::add(acc[r][0], acc[r][i]);
      sum[r] = add(sum[r], acc[r][0], row_scale, sums[r]);
    }
  }
  alignas(64) float products[kRows][kPanelRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) V::store(products[r], sum[r]);
  finish(products[0], kPanelRows, rows, out, m0, kRows, panel_index * kPanelRows, weights.n);
}

/// Rows from m on, kRows at a time, then half as many.
template <class V, Mode kMode, int kBits, int kRows = 8>
void rows_in_order(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m,
                   int64_t panel) {
  for (; rows.rows - m >= kRows; m += kRows)
    panel_in_order<V, kMode, kBits, kRows>(weights, rows, out, m, panel);
  if constexpr (kRows > 1) rows_in_order<V, kMode, kBits, kRows / 2>(weights, rows, out, m, panel);
}

template <class V, Mode kMode, int kBits>
void few_rows_in_order(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                       int64_t end) {
  for (int64_t panel = begin; panel < end; ++panel)
    rows_in_order<V, kMode, kBits>(weights, rows, out, 0, panel);
}

}  // namespace
}  // namespace halftone::cpu
