#pragma once

// Few rows of activations: bound by the memory that the weights come from; for the per-ISA sources only
// (gemm_int_loops.h says why all of it is in an unnamed namespace).

#include "backend/cpu/gemm/int_panel_in_order.h"
#include "backend/cpu/gemm/int_segment.h"

namespace halftone::cpu {
namespace {

/// kRows rows times kPanels panels side by side, unpacking codes in registers: several streams keep more of
/// the memory busy than one.
template <class V, Mode kMode, int kBits, int kRows, int kPanels>
void panels_times_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m0,
                       int64_t first_panel) {
  constexpr int kQuads = 8 / kBits;
  // Fetched while units of the panels are read: what stands a little ahead, into the first cache; or every
  // fourth line of as many panels that come next, into the second: the processor follows by itself what it
  // once saw begin.
  const bool fetch_next = kPanels == 4 && weights.reading == Reading::next_panels;
  const int64_t ahead = fetch_next ? kPanels * weights.panel_bytes : 4096 / kPanels;
  const std::byte* panel[kPanels];
  const std::byte* codes[kPanels];
#pragma GCC unroll 4
  for (int p = 0; p < kPanels; ++p) {
    panel[p] = weights.data + (first_panel + p) * weights.panel_bytes;
    codes[p] = panel[p] + weights.codes_offset;
  }
  const int8_t* a = rows.codes + m0 * rows.stride;
  typename V::Float sum[kRows][kPanels];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) sum[r][p] = V::broadcast(0.0f);

  for (int64_t s = 0; s < weights.segment_count; ++s) {
    const IntSegment& segment = weights.segments[s];
    const int32_t* sums = rows.sums + s * rows.sums_step + m0;
    typename V::Int acc[kRows][kPanels];
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      const Start<V, kMode> start(weights, panel[p], segment);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) acc[r][p] = start(sums[r]);
    }
    const int8_t* quad = a + segment.packed;
    for (int64_t u = 0; u < segment.units; ++u, quad += kQuads * kQuad) {
#pragma GCC unroll 4
      for (int p = 0; p < kPanels; ++p, codes[p - 1] += kUnitBytes) {
        if (!fetch_next)
          __builtin_prefetch(codes[p] + ahead);
        else if (u % 4 == 0)
          __builtin_prefetch(codes[p] + ahead, 0, 2);
        typename V::Codes quads[kQuads];
        V::template unpack<kBits>(codes[p], quads);
#pragma GCC unroll 4
        for (int q = 0; q < kQuads; ++q)
#pragma GCC unroll 8
          for (int r = 0; r < kRows; ++r)
            acc[r][p] = V::dot(acc[r][p], quads[q], V::quad(quad + r * rows.stride + q * kQuad));
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      const Finish<V, kMode> add(weights, panel[p], segment);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const float* row_scale =
            has_group_scales<kMode>(rows) ? rows.scales + (m0 + r) * rows.groups + segment.a_group : nullptr;
        sum[r][p] = add(sum[r][p], acc[r][p], row_scale, sums[r]);
      }
    }
  }
  alignas(64) float products[kPanels][kRows][kPanelRows];
#pragma GCC unroll 4
  for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) V::store(products[p][r], sum[r][p]);
  for (int p = 0; p < kPanels; ++p)
    finish(products[p][0], kPanelRows, rows, out, m0, kRows, (first_panel + p) * kPanelRows, weights.n);
}

/// kRows rows times kPanels panels, kTogether of them side by side.
template <class V, Mode kMode, int kBits, int kRows, int kPanels, int kTogether>
void rows_in(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m,
             int64_t panel) {
  constexpr int kHere = kTogether < kPanels ? kTogether : kPanels;
  for (int p = 0; p < kPanels; p += kHere)
    panels_times_rows<V, kMode, kBits, kRows, kHere>(weights, rows, out, m, panel + p);
}

/// The more rows, the fewer panels side by side: sums and products of a segment fill the registers, and
/// arithmetic takes long enough for one stream of memory.
template <class V, Mode kMode, int kBits, int kPanels>
void few_rows_in(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t panel) {
  int64_t m = 0;
  if constexpr (V::kMostRows == 8)
    for (; rows.rows - m >= 8; m += 8) rows_in<V, kMode, kBits, 8, kPanels, 1>(weights, rows, out, m, panel);
  for (; rows.rows - m >= 4; m += 4)
    rows_in<V, kMode, kBits, 4, kPanels, V::kFourRowsPanels>(weights, rows, out, m, panel);
  if (rows.rows - m == 3) rows_in<V, kMode, kBits, 3, kPanels, kPanels>(weights, rows, out, m, panel);
  if (rows.rows - m == 2) rows_in<V, kMode, kBits, 2, kPanels, kPanels>(weights, rows, out, m, panel);
  if (rows.rows - m == 1) rows_in<V, kMode, kBits, 1, kPanels, kPanels>(weights, rows, out, m, panel);
}

template <class V, Mode kMode, int kBits>
void few_rows_of(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                 int64_t end) {
  if constexpr (V::kReadsInOrder)
    if (weights.reading == Reading::in_order)
      return few_rows_in_order<V, kMode, kBits>(weights, rows, out, begin, end);
  int64_t panel = begin;
  for (; panel + V::kStreams <= end; panel += V::kStreams)
    few_rows_in<V, kMode, kBits, V::kStreams>(weights, rows, out, panel);
  for (; panel < end; ++panel) few_rows_in<V, kMode, kBits, 1>(weights, rows, out, panel);
}

template <class V, Mode kMode>
void few_rows_by(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                 int64_t end) {
  with_bits(weights, [&]<int kBits>() { few_rows_of<V, kMode, kBits>(weights, rows, out, begin, end); });
}

template <class V>
void few_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
              int64_t end) {
  if (rows.groups == 1 && weights.zero_kind == ZeroKind::shared)
    return few_rows_by<V, Mode::shared>(weights, rows, out, begin, end);
  return few_rows_by<V, Mode::any>(weights, rows, out, begin, end);
}

}  // namespace
}  // namespace halftone::cpu
