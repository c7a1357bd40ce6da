#pragma once

// The integer loops over a vector type V, for the per-ISA sources only. Everything is in an unnamed namespace
// and calls no inline function of another header: a copy compiled for one processor must not be shared with
// code for another.

#include "backend/cpu/gemm/gemm_int.h"

namespace halftone::cpu {
namespace {

constexpr float kTiny = 0x1p-120f;  // kSmallestAbsmax of scheme/dynamic.h

/// scheme/dynamic.h's quantize_token, written into the segments of its columns; plain loops that compilers
/// vectorise.
template <class V>
void quantize_rows(const IntPanelsView& weights, const float* a, const IntRows& to, int64_t begin,
                   int64_t end) {
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
      to.sums[m * weights.segment_count + s] = sum * start;
    }
  }
}

/// Y for up to 16 outputs of one row.
inline void finish(const float* product, float scale, const IntOutput& out, int64_t m, int64_t n0,
                   int64_t n) {
  const int64_t count = n - n0 < kPanelRows ? n - n0 : kPanelRows;
  float* y = out.y + m * n + n0;
  for (int64_t i = 0; i < count; ++i) y[i] = product[i] * scale;
  if (out.alpha != 1)
    for (int64_t i = 0; i < count; ++i) y[i] *= out.alpha;
  if (!out.c) return;
  const float* c = out.c + m * out.c_row_step + n0 * out.c_column_step;
  for (int64_t i = 0; i < count; ++i) y[i] += out.beta * c[i * out.c_column_step];
}

/// What accumulators of one panel start from in one segment.
template <class V>
struct Start {
  ZeroKind kind;
  typename V::Int factor;  // of the sum of the row's codes

  Start(const IntPanelsView& weights, const std::byte* panel, const IntSegment& segment)
      : kind(weights.zero_kind) {
    if (kind == ZeroKind::per_group)
      factor = V::bias_minus_zeros(panel + weights.zeros_offset + segment.b_group * kPanelRows,
                                   V::code_bias(weights.bits));
    else
      factor = V::broadcast(V::code_bias(weights.bits));
  }
  typename V::Int operator()(const int32_t* sum) const {
    return kind == ZeroKind::shared ? V::broadcast(*sum) : V::multiply(V::broadcast(*sum), factor);
  }
};

/// sum = fma(float(products), scale, sum), and the minimum's share, for one row and panel.
template <class V>
typename V::Float add_segment(typename V::Float sum, typename V::Int products, const IntPanelsView& weights,
                              const std::byte* panel, const IntSegment& segment, typename V::Float scale,
                              const float* row_scale, const int32_t* row_sum) {
  if (row_scale) scale = V::multiply(V::broadcast(*row_scale), scale);
  sum = V::fma(V::to_float(products), scale, sum);
  if (weights.zero_kind == ZeroKind::minimum) {
    auto minimum =
        V::load_scales(panel + weights.zeros_offset, weights.scale_type, segment.b_group * kPanelRows);
    if (row_scale) minimum = V::multiply(V::broadcast(*row_scale), minimum);
    sum = V::fma(V::broadcast(static_cast<float>(*row_sum)), minimum, sum);
  }
  return sum;
}

/// kRows rows times one panel, unpacking codes in registers.
template <class V, int kBits, int kRows>
void panel_times_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m0,
                      int64_t panel_index) {
  constexpr int kQuads = 8 / kBits;
  // Independent chains of dot products hide the instruction's latency; integer sums may be split at will.
  constexpr int kChains = kRows == 1 ? 2 : 1;
  constexpr int64_t kAhead = 2048;
  const std::byte* panel = weights.data + panel_index * weights.panel_bytes;
  const std::byte* codes = panel + weights.codes_offset;
  const int8_t* a[kRows];
  for (int r = 0; r < kRows; ++r) a[r] = rows.codes + (m0 + r) * rows.stride;
  typename V::Float sum[kRows];
  for (int r = 0; r < kRows; ++r) sum[r] = V::broadcast(0.0f);

  for (int64_t s = 0; s < weights.segment_count; ++s) {
    const IntSegment& segment = weights.segments[s];
    const Start<V> start(weights, panel, segment);
    typename V::Int acc[kRows][kChains];
    for (int r = 0; r < kRows; ++r) {
      acc[r][0] = start(rows.sums + (m0 + r) * weights.segment_count + s);
      for (int c = 1; c < kChains; ++c) acc[r][c] = V::broadcast(int32_t{0});
    }
    int64_t k = segment.packed;
    for (int64_t u = 0; u < segment.units; ++u, k += kQuads * kQuad, codes += kUnitBytes) {
      __builtin_prefetch(codes + kAhead);
      typename V::Codes quads[kQuads];
      V::template unpack<kBits>(codes, quads);
#pragma GCC unroll 4
      for (int q = 0; q < kQuads; ++q)
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r)
          acc[r][q % kChains] =
              V::template dot<kBits == 8>(acc[r][q % kChains], quads[q], V::quad(a[r] + k + q * kQuad));
    }
    const typename V::Float scale = V::load_scales(panel, weights.scale_type, segment.b_group * kPanelRows);
    for (int r = 0; r < kRows; ++r) {
      typename V::Int products = acc[r][0];
      for (int c = 1; c < kChains; ++c) products = V::add(products, acc[r][c]);
      const float* row_scale =
          rows.groups == 1 ? nullptr : rows.scales + (m0 + r) * rows.groups + segment.a_group;
      sum[r] = add_segment<V>(sum[r], products, weights, panel, segment, scale, row_scale,
                              rows.sums + (m0 + r) * weights.segment_count + s);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    alignas(64) float product[kPanelRows];
    V::store(product, sum[r]);
    finish(product, rows.groups == 1 ? rows.scales[m0 + r] : 1.0f, out, m0 + r, panel_index * kPanelRows,
           weights.n);
  }
}

template <class V, int kBits>
void few_rows_of_bits(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                      int64_t end) {
  for (int64_t panel = begin; panel < end; ++panel)
    for (int64_t m = 0; m < rows.rows; m += 4) {
      switch (rows.rows - m) {
        case 1:
          panel_times_rows<V, kBits, 1>(weights, rows, out, m, panel);
          break;
        case 2:
          panel_times_rows<V, kBits, 2>(weights, rows, out, m, panel);
          break;
        case 3:
          panel_times_rows<V, kBits, 3>(weights, rows, out, m, panel);
          break;
        default:
          panel_times_rows<V, kBits, 4>(weights, rows, out, m, panel);
      }
    }
}

template <class V>
void few_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
              int64_t end) {
  if (weights.bits == 2) return few_rows_of_bits<V, 2>(weights, rows, out, begin, end);
  if (weights.bits == 4) return few_rows_of_bits<V, 4>(weights, rows, out, begin, end);
  return few_rows_of_bits<V, 8>(weights, rows, out, begin, end);
}

/// kRows x (kPanels * 16) outputs from codes of 8 bits each.
template <class V, bool kWide, int kPanels, int kRows>
void tile(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m0,
          int64_t first_panel, const std::byte* const* unpacked) {
  const std::byte* panel[kPanels];
  for (int p = 0; p < kPanels; ++p) panel[p] = weights.data + (first_panel + p) * weights.panel_bytes;
  typename V::Float sum[kRows][kPanels];
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) sum[r][p] = V::broadcast(0.0f);
  const int8_t* a = rows.codes + m0 * rows.stride;
  const int32_t* sums = rows.sums + m0 * weights.segment_count;

  for (int64_t s = 0; s < weights.segment_count; ++s) {
    const IntSegment& segment = weights.segments[s];
    typename V::Int acc[kRows][kPanels];
    for (int p = 0; p < kPanels; ++p) {
      const Start<V> start(weights, panel[p], segment);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) acc[r][p] = start(sums + r * weights.segment_count + s);
    }
    const int64_t end = segment.packed + segment.units * (kQuad * 8 / weights.bits);
    for (int64_t k = segment.packed; k < end; k += kQuad) {
      typename V::Codes codes[kPanels];
      for (int p = 0; p < kPanels; ++p) V::template unpack<8>(unpacked[p] + k * kPanelRows, &codes[p]);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const auto quad = V::quad(a + r * rows.stride + k);
        for (int p = 0; p < kPanels; ++p) acc[r][p] = V::template dot<kWide>(acc[r][p], codes[p], quad);
      }
    }
    for (int p = 0; p < kPanels; ++p) {
      const auto scale = V::load_scales(panel[p], weights.scale_type, segment.b_group * kPanelRows);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const float* row_scale =
            rows.groups == 1 ? nullptr : rows.scales + (m0 + r) * rows.groups + segment.a_group;
        sum[r][p] = add_segment<V>(sum[r][p], acc[r][p], weights, panel[p], segment, scale, row_scale,
                                   sums + r * weights.segment_count + s);
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) {
      alignas(64) float product[kPanelRows];
      V::store(product, sum[r][p]);
      finish(product, rows.groups == 1 ? rows.scales[m0 + r] : 1.0f, out, m0 + r,
             (first_panel + p) * kPanelRows, weights.n);
    }
}

/// All rows against kPanels panels: tiles of V::kTileRows rows, then the rest.
template <class V, bool kWide, int kPanels, int kRows = V::kTileRows>
void tiles(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m,
           int64_t first_panel, const std::byte* const* unpacked) {
  for (; rows.rows - m >= kRows; m += kRows)
    tile<V, kWide, kPanels, kRows>(weights, rows, out, m, first_panel, unpacked);
  if constexpr (kRows > 1) tiles<V, kWide, kPanels, kRows - 1>(weights, rows, out, m, first_panel, unpacked);
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

template <class V, int kBits>
void many_rows_of_bits(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                       int64_t end, std::byte* scratch) {
  constexpr bool kWide = kBits == 8;
  const std::byte* unpacked[V::kTilePanels];
  for (int64_t panel = begin; panel < end; ++panel)
    unpacked[panel - begin] =
        unpack_panel<V, kBits>(weights, panel, scratch + (panel - begin) * kPanelRows * weights.packed_k);
  if (end - begin == V::kTilePanels)
    tiles<V, kWide, V::kTilePanels>(weights, rows, out, 0, begin, unpacked);
  else
    for (int64_t panel = begin; panel < end; ++panel)
      tiles<V, kWide, 1>(weights, rows, out, 0, panel, unpacked + (panel - begin));
}

template <class V>
void many_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
               int64_t end, std::byte* scratch) {
  if (weights.bits == 2) return many_rows_of_bits<V, 2>(weights, rows, out, begin, end, scratch);
  if (weights.bits == 4) return many_rows_of_bits<V, 4>(weights, rows, out, begin, end, scratch);
  return many_rows_of_bits<V, 8>(weights, rows, out, begin, end, scratch);
}

template <class V>
constexpr IntGemmLoops kIntGemmLoops = {V::kTilePanels, quantize_rows<V>, few_rows<V>, many_rows<V>};

}  // namespace
}  // namespace halftone::cpu
