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
      to.sums[s * to.rows + m] = sum * start;
    }
  }
}

/// What the loops need not ask at run time.
enum class Mode {
  shared,   ///< one scale a token, ZeroKind::shared
  zeros,    ///< one scale a token, ZeroKind::per_group
  minimum,  ///< one scale a token, ZeroKind::minimum
  any       ///< asks
};

template <Mode kMode>
ZeroKind zero_kind(const IntPanelsView& weights) {
  if constexpr (kMode == Mode::shared) return ZeroKind::shared;
  if constexpr (kMode == Mode::zeros) return ZeroKind::per_group;
  if constexpr (kMode == Mode::minimum) return ZeroKind::minimum;
  return weights.zero_kind;
}

template <Mode kMode>
bool has_group_scales(const IntRows& rows) {
  return kMode == Mode::any && rows.groups != 1;
}

/// Y for up to 16 outputs of each of a few rows; `products` are `step` apart.
[[gnu::noinline]] void finish(const float* products, int64_t step, const IntRows& rows, const IntOutput& out,
                              int64_t m0, int64_t row_count, int64_t n0, int64_t n) {
  const int64_t count = n - n0 < kPanelRows ? n - n0 : kPanelRows;
  for (int64_t r = 0; r < row_count; ++r, products += step) {
    const int64_t m = m0 + r;
    const float scale = rows.groups == 1 ? rows.scales[m] : 1.0f;
    float* y = out.y + m * n + n0;
    for (int64_t i = 0; i < count; ++i) y[i] = products[i] * scale;
    if (out.alpha != 1)
      for (int64_t i = 0; i < count; ++i) y[i] *= out.alpha;
    if (!out.c) continue;
    const float* c = out.c + m * out.c_row_step + n0 * out.c_column_step;
    for (int64_t i = 0; i < count; ++i) y[i] += out.beta * c[i * out.c_column_step];
  }
}

/// What accumulators of one panel start from in one segment.
template <class V, Mode kMode>
struct Start {
  ZeroKind kind;
  typename V::Int factor;  // of the sum of the row's codes

  Start(const IntPanelsView& weights, const std::byte* panel, const IntSegment& segment)
      : kind(zero_kind<kMode>(weights)) {
    if (kind == ZeroKind::per_group)
      factor = V::bias_minus_zeros(panel + weights.zeros_offset + segment.b_group * kPanelRows,
                                   V::code_bias(weights.bits));
    else if (kind == ZeroKind::minimum)
      factor = V::broadcast(V::code_bias(weights.bits));
  }
  typename V::Int operator()(int32_t sum) const {
    return kind == ZeroKind::shared ? V::broadcast(sum) : V::multiply(V::broadcast(sum), factor);
  }
};

/// The scales (and minima) of one panel in one segment, and what they do to the sums.
template <class V, Mode kMode>
struct Finish {
  bool has_minimum;
  typename V::Float scale, minimum;

  Finish(const IntPanelsView& weights, const std::byte* panel, const IntSegment& segment)
      : has_minimum(zero_kind<kMode>(weights) == ZeroKind::minimum) {
    const int64_t index = segment.b_group * kPanelRows;
    scale = V::load_scales(panel, weights.scale_type, index);
    if (has_minimum) minimum = V::load_scales(panel + weights.zeros_offset, weights.scale_type, index);
  }
  /// `row_scale` is null when the row has one scale for all columns.
  typename V::Float operator()(typename V::Float sum, typename V::Int products, const float* row_scale,
                               int32_t row_sum) const {
    auto scaled = [&](typename V::Float x) {
      return row_scale ? V::multiply(V::broadcast(*row_scale), x) : x;
    };
    sum = V::fma(V::to_float(products), scaled(scale), sum);
    if (has_minimum) sum = V::fma(V::broadcast(static_cast<float>(row_sum)), scaled(minimum), sum);
    return sum;
  }
};

/// kRows rows times kPanels panels side by side, unpacking codes in registers: several streams keep more of
/// the memory busy than one.
template <class V, Mode kMode, int kBits, int kRows, int kPanels>
void panels_times_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m0,
                       int64_t first_panel) {
  constexpr int kQuads = 8 / kBits;
  constexpr int64_t kAhead = 1024;
  const std::byte* panel[kPanels];
  const std::byte* codes[kPanels];
#pragma GCC unroll 4
  for (int p = 0; p < kPanels; ++p) {
    panel[p] = weights.data + (first_panel + p) * weights.panel_bytes;
    codes[p] = panel[p] + weights.codes_offset;
  }
  const int8_t* a = rows.codes + m0 * rows.stride;
  typename V::Float sum[kRows][kPanels];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) sum[r][p] = V::broadcast(0.0f);

  for (int64_t s = 0; s < weights.segment_count; ++s) {
    const IntSegment& segment = weights.segments[s];
    const int32_t* sums = rows.sums + s * rows.rows + m0;
    typename V::Int acc[kRows][kPanels];
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      const Start<V, kMode> start(weights, panel[p], segment);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) acc[r][p] = start(sums[r]);
    }
    const int8_t* quad = a + segment.packed;
    for (int64_t u = 0; u < segment.units; ++u, quad += kQuads * kQuad) {
#pragma GCC unroll 4
      for (int p = 0; p < kPanels; ++p, codes[p - 1] += kUnitBytes) {
        __builtin_prefetch(codes[p] + kAhead);
        typename V::Codes quads[kQuads];
        V::template unpack<kBits>(codes[p], quads);
#pragma GCC unroll 4
        for (int q = 0; q < kQuads; ++q)
#pragma GCC unroll 4
          for (int r = 0; r < kRows; ++r)
            acc[r][p] =
                V::template dot<kBits == 8>(acc[r][p], quads[q], V::quad(quad + r * rows.stride + q * kQuad));
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      const Finish<V, kMode> add(weights, panel[p], segment);
#pragma GCC unroll 4
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
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) V::store(products[p][r], sum[r][p]);
  for (int p = 0; p < kPanels; ++p)
    finish(products[p][0], kPanelRows, rows, out, m0, kRows, (first_panel + p) * kPanelRows, weights.n);
}

template <class V, Mode kMode, int kBits, int kPanels>
void few_rows_in(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t panel) {
  for (int64_t m = 0; m < rows.rows; m += 4) switch (rows.rows - m) {
      case 1:
        panels_times_rows<V, kMode, kBits, 1, kPanels>(weights, rows, out, m, panel);
        break;
      case 2:
        panels_times_rows<V, kMode, kBits, 2, kPanels>(weights, rows, out, m, panel);
        break;
      case 3:
        panels_times_rows<V, kMode, kBits, 3, kPanels>(weights, rows, out, m, panel);
        break;
      default:
        panels_times_rows<V, kMode, kBits, 4, kPanels>(weights, rows, out, m, panel);
    }
}

template <class V, Mode kMode, int kBits>
void few_rows_of(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                 int64_t end) {
  int64_t panel = begin;
  for (; panel + V::kStreams <= end; panel += V::kStreams)
    few_rows_in<V, kMode, kBits, V::kStreams>(weights, rows, out, panel);
  for (; panel < end; ++panel) few_rows_in<V, kMode, kBits, 1>(weights, rows, out, panel);
}

template <class V, Mode kMode>
void few_rows_by(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
                 int64_t end) {
  if (weights.bits == 2) return few_rows_of<V, kMode, 2>(weights, rows, out, begin, end);
  if (weights.bits == 4) return few_rows_of<V, kMode, 4>(weights, rows, out, begin, end);
  return few_rows_of<V, kMode, 8>(weights, rows, out, begin, end);
}

template <class V>
void few_rows(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t begin,
              int64_t end) {
  if (rows.groups == 1 && weights.zero_kind == ZeroKind::shared)
    return few_rows_by<V, Mode::shared>(weights, rows, out, begin, end);
  return few_rows_by<V, Mode::any>(weights, rows, out, begin, end);
}

/// A few panels in 8-bit codes. The last tile of a matrix may have fewer panels than V::kTilePanels; then the
/// last one stands in for those that are missing, and only `count` are written.
template <class V>
struct PanelTile {
  int64_t first, count;
  const std::byte* packed[V::kTilePanels];
  const std::byte* codes[V::kTilePanels];
};

/// kRows rows times a PanelTile.
template <class V, Mode kMode, bool kWide, int kRows>
void tile(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m0,
          const PanelTile<V>& panels) {
  constexpr int kPanels = V::kTilePanels;
  typename V::Float sum[kRows][kPanels];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) sum[r][p] = V::broadcast(0.0f);
  const int8_t* a = rows.codes + m0 * rows.stride;

  for (int64_t s = 0; s < weights.segment_count; ++s) {
    const IntSegment& segment = weights.segments[s];
    const int32_t* sums = rows.sums + s * rows.rows + m0;
    typename V::Int acc[kRows][kPanels];
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      const Start<V, kMode> start(weights, panels.packed[p], segment);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) acc[r][p] = start(sums[r]);
    }
    const int64_t end = segment.packed + segment.units * (kQuad * 8 / weights.bits);
    for (int64_t k = segment.packed; k < end; k += kQuad) {
      typename V::Codes codes[kPanels];
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) V::template unpack<8>(panels.codes[p] + k * kPanelRows, &codes[p]);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const auto quad = V::quad(a + r * rows.stride + k);
#pragma GCC unroll 2
        for (int p = 0; p < kPanels; ++p) acc[r][p] = V::template dot<kWide>(acc[r][p], codes[p], quad);
      }
    }
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
  alignas(64) float products[kPanels][kRows][kPanelRows];
#pragma GCC unroll 2
  for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) V::store(products[p][r], sum[r][p]);
  for (int64_t p = 0; p < panels.count; ++p)
    finish(products[p][0], kPanelRows, rows, out, m0, kRows, (panels.first + p) * kPanelRows, weights.n);
}

/// All rows from m on: tiles of kRows rows, then halves of that for the rest.
template <class V, Mode kMode, bool kWide, int kRows = V::kTileRows>
void tiles(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m,
           const PanelTile<V>& panels) {
  for (; rows.rows - m >= kRows; m += kRows) tile<V, kMode, kWide, kRows>(weights, rows, out, m, panels);
  if constexpr (kRows > 1) tiles<V, kMode, kWide, kRows / 2>(weights, rows, out, m, panels);
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

template <class V, bool kWide>
void many_rows_of(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out,
                  const PanelTile<V>& panels) {
  if (rows.groups != 1) return tiles<V, Mode::any, kWide>(weights, rows, out, 0, panels);
  if (weights.zero_kind == ZeroKind::shared)
    return tiles<V, Mode::shared, kWide>(weights, rows, out, 0, panels);
  if (weights.zero_kind == ZeroKind::per_group)
    return tiles<V, Mode::zeros, kWide>(weights, rows, out, 0, panels);
  return tiles<V, Mode::minimum, kWide>(weights, rows, out, 0, panels);
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
  if (V::kWideDiffers && weights.bits == 8)
    many_rows_of<V, V::kWideDiffers>(weights, rows, out, panels);
  else
    many_rows_of<V, false>(weights, rows, out, panels);
}

template <class V>
constexpr IntGemmLoops kIntGemmLoops = {V::kTilePanels, quantize_rows<V>, few_rows<V>, many_rows<V>};

}  // namespace
}  // namespace halftone::cpu
