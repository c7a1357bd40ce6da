#pragma once

// The integer loops on NEON over a vector type V, for the per-ISA sources only (gemm_int_loops.h says why all
// of it is in an unnamed namespace).

#include "backend/cpu/gemm/int_neon_tile.h"

namespace halftone::cpu {
namespace {

/// Bytes fetched ahead by all streams of weights together.
constexpr int64_t kAhead = 4096;
constexpr int kMostRows = 4;  ///< of a tile: 4 x 4 sums, 4 of activations

template <int kPanels>
Panels<kPanels> panels_at(const IntPanelsView& weights, int64_t first) {
  Panels<kPanels> at;
  at.first = first;
  for (int p = 0; p < kPanels; ++p) {
    at.packed[p] = weights.data + (first + p) * weights.panel_bytes;
    at.codes[p] = at.packed[p] + weights.codes_offset;
  }
  return at;
}

template <class V, Mode kMode, int kBits, int kRows, int kPanels>
void rows_in(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m,
             int64_t panel) {
  tile<V, kMode, Packed<V, kBits>, kRows, kPanels>(weights, rows, out, m, panels_at<kPanels>(weights, panel),
                                                   kAhead / kPanels);
}

/// One or two rows go by two panels side by side, more by one: sums fill the registers.
template <class V, Mode kMode, int kBits>
void few_rows_of(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                 int64_t end) {
  const int64_t whole = rows.rows / kMostRows * kMostRows, rest = rows.rows - whole;
  for (int64_t panel = begin; panel < end; ++panel) {
    for (int64_t m = 0; m < whole; m += kMostRows)
      rows_in<V, kMode, kBits, kMostRows, 1>(weights, rows, out, m, panel);
    if (rest == 3) rows_in<V, kMode, kBits, 3, 1>(weights, rows, out, whole, panel);
    if (rest == 0 || rest == 3) continue;
    if (whole == 0 && panel + 1 < end) {
      if (rest == 2) rows_in<V, kMode, kBits, 2, 2>(weights, rows, out, whole, panel);
      if (rest == 1) rows_in<V, kMode, kBits, 1, 2>(weights, rows, out, whole, panel);
      ++panel;
    } else {
      if (rest == 2) rows_in<V, kMode, kBits, 2, 1>(weights, rows, out, whole, panel);
      if (rest == 1) rows_in<V, kMode, kBits, 1, 1>(weights, rows, out, whole, panel);
    }
  }
}

template <class V, Mode kMode>
void few_rows_by(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                 int64_t end) {
  with_bits(weights, [&]<int kBits>() { few_rows_of<V, kMode, kBits>(weights, rows, out, begin, end); });
}

template <class V>
void few_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
              int64_t end) {
  if (rows.groups != 1 || weights.zero_kind != ZeroKind::shared)
    return few_rows_by<V, Mode::any>(weights, rows, out, begin, end);
  if (SmallSums<V>::fit(weights))
    return few_rows_by<SmallSums<V>, Mode::shared>(weights, rows, out, begin, end);
  return few_rows_by<V, Mode::shared>(weights, rows, out, begin, end);
}

/// A panel's codes -> `to`, as V multiplies them.
template <class V, int kBits, int kQuadOfUnit = 0>
void unpack_panel(const IntPanelsView& weights, int64_t panel, std::byte* to) {
  constexpr int kQuads = 8 / kBits;
  const std::byte* from = weights.data + panel * weights.panel_bytes + weights.codes_offset;
  for (int64_t k = 0; k < weights.packed_k; k += kQuads * kQuad, from += kUnitBytes)
    for (int i = 0; i < 4; ++i) {
      const uint8x16_t packed = vld1q_u8(reinterpret_cast<const uint8_t*>(from) + 16 * i);
      vst1q_u8(reinterpret_cast<uint8_t*>(to) + (k + kQuadOfUnit * kQuad) * kPanelRows + 16 * i,
               V::template unpack<kBits, kQuadOfUnit>(packed));
    }
  if constexpr (kQuadOfUnit + 1 < kQuads) unpack_panel<V, kBits, kQuadOfUnit + 1>(weights, panel, to);
}

template <class V, Mode kMode>
void many_rows_by(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t panel,
                  const std::byte* codes) {
  Panels<1> at = panels_at<1>(weights, panel);
  at.codes[0] = codes;
  int64_t m = 0;
  for (; rows.rows - m >= kMostRows; m += kMostRows)
    tile<V, kMode, Unpacked, kMostRows, 1>(weights, rows, out, m, at, 0);
  for (; rows.rows - m >= 2; m += 2) tile<V, kMode, Unpacked, 2, 1>(weights, rows, out, m, at, 0);
  if (rows.rows > m) tile<V, kMode, Unpacked, 1, 1>(weights, rows, out, m, at, 0);
}

template <class V>
void many_rows_of(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t panel,
                  const std::byte* codes) {
  if (rows.groups != 1) return many_rows_by<V, Mode::any>(weights, rows, out, panel, codes);
  if (weights.zero_kind == ZeroKind::shared)
    return many_rows_by<V, Mode::shared>(weights, rows, out, panel, codes);
  if (weights.zero_kind == ZeroKind::per_group)
    return many_rows_by<V, Mode::zeros>(weights, rows, out, panel, codes);
  return many_rows_by<V, Mode::minimum>(weights, rows, out, panel, codes);
}

template <class V>
void many_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
               int64_t end, std::byte* scratch) {
  const bool small = SmallSums<V>::fit(weights);
  for (int64_t panel = begin; panel < end; ++panel) {
    with_bits(weights, [&]<int kBits>() { unpack_panel<V, kBits>(weights, panel, scratch); });
    if (small)
      many_rows_of<SmallSums<V>>(weights, rows, out, panel, scratch);
    else
      many_rows_of<V>(weights, rows, out, panel, scratch);
  }
}

}  // namespace
}  // namespace halftone::cpu
