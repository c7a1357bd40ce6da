#pragma once

// Many rows of activations: bound by arithmetic; for the per-ISA sources only (gemm_int_loops.h says
// why all of it is in an unnamed namespace).

#include "backend/cpu/gemm/int_segment.h"

namespace halftone::cpu {
namespace {

/// A few panels in 8-bit codes. The last tile of a matrix may have fewer panels than V::kTilePanels; then the
/// last one stands in for those that are missing, and only `count` are written.
template <class V>
struct PanelTile {
  int64_t first, count;
  const std::byte* packed[V::kTilePanels];
  const std::byte* codes[V::kTilePanels];
};

/// Memory that is read later, brought to the second cache a line at a time.
class Fetched {
 public:
  Fetched(const std::byte* begin, int64_t bytes) : at_(begin), end_(begin + bytes) {}
  void next() {
    __builtin_prefetch(at_, 0, 2);
    at_ += at_ < end_ ? 64 : 0;
  }

 private:
  const std::byte *at_, *end_;
};

/// acc[r, p] += the products of kQuads quads of columns from k on.
template <class V, int kQuads, int kRows>
[[gnu::always_inline]] inline void add_quads(typename V::Int (&acc)[kRows][V::kTilePanels],
                                             const PanelTile<V>& panels, const int8_t* a, int64_t stride,
                                             int64_t k) {
#pragma GCC unroll 4
  for (int u = 0; u < kQuads; ++u, k += kQuad) {
    typename V::Codes codes[V::kTilePanels];
#pragma GCC unroll 2
    for (int p = 0; p < V::kTilePanels; ++p)
      V::template unpack<8>(panels.codes[p] + k * kPanelRows, &codes[p]);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const auto quad = V::quad(a + r * stride + k);
#pragma GCC unroll 2
      for (int p = 0; p < V::kTilePanels; ++p) acc[r][p] = V::dot(acc[r][p], codes[p], quad);
    }
  }
}

/// kRows rows times a PanelTile.
template <class V, Mode kMode, int kRows>
void tile(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m0,
          const PanelTile<V>& panels, Fetched& later) {
  constexpr int kPanels = V::kTilePanels;
  typename V::Float sum[kRows][kPanels];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) sum[r][p] = V::broadcast(0.0f);
  const int8_t* a = rows.codes + m0 * rows.stride;
  Fetched fetched = later;

  for (int64_t s = 0; s < weights.segment_count; ++s) {
    const IntSegment& segment = weights.segments[s];
    const int32_t* sums = rows.sums + s * rows.sums_step + m0;
    typename V::Int acc[kRows][kPanels];
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      const Start<V, kMode> start(weights, panels.packed[p], segment);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) acc[r][p] = start(sums[r]);
    }
    const int64_t end = segment.packed + segment.units * (kQuad * 8 / weights.bits);
    int64_t k = segment.packed;
    if constexpr (V::kTileQuads > 1)
      for (; k + V::kTileQuads * kQuad <= end; k += V::kTileQuads * kQuad) {
        fetched.next();
        add_quads<V, V::kTileQuads>(acc, panels, a, rows.stride, k);
      }
    for (; k < end; k += kQuad) add_quads<V, 1>(acc, panels, a, rows.stride, k);
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      const Finish<V, kMode> add(weights, panels.packed[p], segment);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const float* row_scale =
            has_group_scales<kMode>(rows) ? rows.scales + (m0 + r) * rows.groups + segment.a_group : nullptr;
        sum[r][p] = add(sum[r][p], acc[r][p], row_scale, sums[r]);
      }
    }
  }
  later = fetched;
  alignas(64) float products[kPanels][kRows][kPanelRows];
#pragma GCC unroll 2
  for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) V::store(products[p][r], sum[r][p]);
  for (int64_t p = 0; p < panels.count; ++p)
    finish(products[p][0], kPanelRows, rows, out, m0, kRows, (panels.first + p) * kPanelRows, weights.n);
}

/// All rows from m on: tiles of kRows rows, then halves of that for the rest.
template <class V, Mode kMode, int kRows = V::kTileRows>
void tiles(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m,
           const PanelTile<V>& panels, Fetched& later) {
  for (; rows.rows - m >= kRows; m += kRows) tile<V, kMode, kRows>(weights, rows, out, m, panels, later);
  if constexpr (kRows > 1) tiles<V, kMode, kRows / 2>(weights, rows, out, m, panels, later);
}

template <class V, int kBits>
const std::byte* unpack_panel(const IntPanelsView& weights, int64_t panel, std::byte* scratch) {
  const std::byte* codes = weights.data + panel * weights.panel_bytes + weights.codes_offset;
  if constexpr (kBits == 8) return codes;
  constexpr int kQuads = 8 / kBits;
  const int64_t units = weights.packed_k / (kQuads * kQuad);
  for (int64_t u = 0; u < units; ++u) {
    typename V::Codes quads[kQuads];
    V::template unpack<kBits>(codes + u * kUnitBytes, quads);
    for (int q = 0; q < kQuads; ++q) V::store(scratch + (u * kQuads + q) * kUnitBytes, quads[q]);
  }
  return scratch;
}

template <class V>
void many_rows_of(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out,
                  const PanelTile<V>& panels) {
  const int64_t next = panels.first + weights.ahead;
  Fetched later(weights.data + (next < weights.panels ? next : panels.first) * weights.panel_bytes,
                panels.count * weights.panel_bytes);
  if (rows.groups != 1) return tiles<V, Mode::any>(weights, rows, out, 0, panels, later);
  if (weights.zero_kind == ZeroKind::shared)
    return tiles<V, Mode::shared>(weights, rows, out, 0, panels, later);
  if (weights.zero_kind == ZeroKind::per_group)
    return tiles<V, Mode::zeros>(weights, rows, out, 0, panels, later);
  return tiles<V, Mode::minimum>(weights, rows, out, 0, panels, later);
}

template <class V>
void many_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
               int64_t end, std::byte* scratch) {
  PanelTile<V> panels{begin, end - begin, {}, {}};
  for (int64_t p = 0; p < V::kTilePanels; ++p) {
    const int64_t panel = begin + (p < panels.count ? p : panels.count - 1);
    std::byte* into = scratch + p * kPanelRows * weights.packed_k;
    panels.packed[p] = weights.data + panel * weights.panel_bytes;
    panels.codes[p] = weights.bits == 2   ? unpack_panel<V, 2>(weights, panel, into)
                      : weights.bits == 4 ? unpack_panel<V, 4>(weights, panel, into)
                                          : unpack_panel<V, 8>(weights, panel, into);
  }
  many_rows_of<V>(weights, rows, out, panels);
}

}  // namespace
}  // namespace halftone::cpu
