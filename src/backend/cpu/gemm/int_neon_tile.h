#pragma once

// Integer products on NEON, for the per-ISA sources only (gemm_int_loops.h says why all of it is in an
// unnamed namespace).
//
// A quad of activations is a lane of the vector that 16 columns of its row were loaded into (SDOT by
// element), so it costs no broadcast: those take the pipelines that products need.

#include "backend/cpu/gemm/int_neon_vectors.h"
#include "backend/cpu/gemm/int_segment.h"

namespace halftone::cpu {
namespace {

/// Codes as a panel has them.
template <class V, int kBits>
struct Packed {
  static constexpr int kQuads = 8 / kBits;
  template <int kQuadOfUnit>
  static uint8x16_t codes(uint8x16_t packed) {
    return V::template unpack<kBits, kQuadOfUnit>(packed);
  }
};

/// Codes of 8 bits as V multiplies them.
struct Unpacked {
  static constexpr int kQuads = 1;
  template <int>
  static uint8x16_t codes(uint8x16_t codes) {
    return codes;
  }
};

/// Which weights a tile reads.
template <int kPanels>
struct Panels {
  const std::byte* packed[kPanels];
  const std::byte* codes[kPanels];
  int64_t first;
};

/// The sums of one segment of a tile.
template <class V, class Codes, int kRows, int kPanels>
struct SegmentSums {
  static constexpr int kLanes = 4;  ///< quads of a vector of activations
  static constexpr int64_t kColumns = kLanes * kQuad;
  int32x4_t sum[kRows][kPanels][4];

  template <int kLane, int kQuadOfUnit = 0>
  [[gnu::always_inline]] void add_quads(uint8x16_t packed, const int8x16_t (&a)[kRows], int p, int i) {
    const uint8x16_t codes = Codes::template codes<kQuadOfUnit>(packed);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
      sum[r][p][i] = V::template dot_lane<kLane + kQuadOfUnit>(sum[r][p][i], codes, a[r]);
    if constexpr (kQuadOfUnit + 1 < Codes::kQuads) add_quads<kLane, kQuadOfUnit + 1>(packed, a, p, i);
  }
  template <int kLane>
  [[gnu::always_inline]] void add_unit(const std::byte* (&codes)[kPanels], const int8x16_t (&a)[kRows],
                                       int64_t ahead) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p, codes[p - 1] += kUnitBytes) {
      if (ahead != 0) __builtin_prefetch(codes[p] + ahead);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i)
        add_quads<kLane>(vld1q_u8(reinterpret_cast<const uint8_t*>(codes[p]) + 16 * i), a, p, i);
    }
  }
  /// The units of kColumns columns.
  template <int kLane = 0>
  [[gnu::always_inline]] void add_columns(const std::byte* (&codes)[kPanels], const int8x16_t (&a)[kRows],
                                          int64_t ahead) {
    add_unit<kLane>(codes, a, ahead);
    if constexpr (kLane + Codes::kQuads < kLanes) add_columns<kLane + Codes::kQuads>(codes, a, ahead);
  }

  /// `count` columns of activations, the first at `a`, whose rows are `stride` apart.
  [[gnu::always_inline]] void add(int64_t count, const std::byte* (&codes)[kPanels], const int8_t* a,
                                  int64_t stride, int64_t ahead) {
    int8x16_t rows[kRows];
    for (; count >= kColumns; count -= kColumns, a += kColumns) {
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) rows[r] = vld1q_s8(a + r * stride);
      add_columns(codes, rows, ahead);
    }
    constexpr int64_t kUnitColumns = Codes::kQuads * kQuad;
    for (; count > 0; count -= kUnitColumns, a += kUnitColumns) {
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        rows[r] = vdupq_n_s8(0);
        __builtin_memcpy(&rows[r], a + r * stride, kUnitColumns);
      }
      add_unit<0>(codes, rows, ahead);
    }
  }
};

/// kRows rows from m0 on times kPanels panels. `ahead`: bytes that are fetched ahead of those read; 0: none.
template <class V, Mode kMode, class Codes, int kRows, int kPanels>
void tile(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m0,
          Panels<kPanels> panels, int64_t ahead) {
  typename V::Float sum[kRows][kPanels];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) sum[r][p] = V::broadcast(0.0f);

  for (int64_t s = 0; s < weights.segment_count; ++s) {
    const IntSegment& segment = weights.segments[s];
    const int32_t* row_sums = rows.sums + s * rows.sums_step + m0;
    SegmentSums<V, Codes, kRows, kPanels> products;
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      const Start<V, kMode> start(weights, panels.packed[p], segment);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const typename V::Int from = V::from_start(start(row_sums[r]));
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) products.sum[r][p][i] = from.part[i];
      }
    }
    products.add(segment.units * (kQuad * 8 / weights.bits), panels.codes,
                 rows.codes + m0 * rows.stride + segment.packed, rows.stride, ahead);
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      const Finish<V, kMode> add(weights, panels.packed[p], segment);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const float* row_scale =
            has_group_scales<kMode>(rows) ? rows.scales + (m0 + r) * rows.groups + segment.a_group : nullptr;
        const auto all = V::template parts<typename V::Int>([&](int i) { return products.sum[r][p][i]; });
        sum[r][p] = add(sum[r][p], all, row_scale, row_sums[r]);
      }
    }
  }
  float result[kPanels][kRows][kPanelRows];
#pragma GCC unroll 2
  for (int p = 0; p < kPanels; ++p)
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) V::store(result[p][r], sum[r][p]);
  for (int p = 0; p < kPanels; ++p)
    finish(result[p][0], kPanelRows, rows, out, m0, kRows, (panels.first + p) * kPanelRows, weights.n);
}

/// Counts sums of at most kMostColumns products from the bits of a float on whose neighbours are 1 apart, so
/// that one subtraction turns them into floats: SCVTF of a whole vector takes as long as four.
template <class V>
struct SmallSums : V {
  static constexpr int64_t kMostColumns = 128;  // 128 * 127 * 255 < 2^22
  static constexpr int32_t kBits = 0x4b400000;
  static constexpr float kValue = 0x1.8p23f;

  static typename V::Int from_start(typename V::Int x) { return V::add(x, V::broadcast(kBits)); }
  static typename V::Float to_float(typename V::Int x) {
    return V::template parts<typename V::Float>(
        [&](int i) { return vsubq_f32(vreinterpretq_f32_s32(x.part[i]), vdupq_n_f32(kValue)); });
  }

  static bool fit(const IntPanelsView& weights) {
    for (int64_t s = 0; s < weights.segment_count; ++s)
      if (weights.segments[s].end - weights.segments[s].begin > kMostColumns) return false;
    return true;
  }
};

}  // namespace
}  // namespace halftone::cpu
