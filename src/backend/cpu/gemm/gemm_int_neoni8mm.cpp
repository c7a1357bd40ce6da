#include "backend/cpu/gemm/int_neon_rows.h"
#include "backend/cpu/gemm/int_quantize.h"

// FEAT_I8MM: USMMLA multiplies two outputs' codes by two rows' activations, eight columns each, into 2 x 2
// sums; USDOT is SDOT for unsigned codes.

namespace halftone::cpu {
namespace {

struct NeonI8mm : NeonDot {
  static constexpr int32_t code_bias(int) { return 0; }
  template <int kBits, int kQuadOfUnit>
  static uint8x16_t unpack(uint8x16_t packed) {
    return bits_of<kBits, kQuadOfUnit>(packed);
  }
  template <int kLane>
  static int32x4_t dot_lane(int32x4_t acc, uint8x16_t codes, int8x16_t activations) {
    return vusdotq_laneq_s32(acc, codes, activations, kLane);
  }
};

constexpr int64_t kColumns = 8;         ///< of one USMMLA
constexpr int64_t kPairsOfOutputs = 8;  ///< in a panel
constexpr int kTileRows = 4;

int64_t columns_of(const IntPanelsView& weights, const IntSegment& segment) {
  return segment.units * (kQuad * 8 / weights.bits);
}

/// A panel in 8-bit codes: for every eight columns of a segment, eight pairs of outputs, each [2, 8]. A
/// segment of an odd number of quads ends with zeros.
int64_t pairs_bytes(const IntPanelsView& weights, int64_t) {
  return kPanelRows * (weights.packed_k + weights.segment_count * kQuad);
}

struct Quad {
  uint8x16_t part[4];  ///< four outputs each
};

template <int kBits, int kQuadOfUnit>
Quad quad_of(const std::byte* unit) {
  Quad quad;
  for (int i = 0; i < 4; ++i)
    quad.part[i] =
        NeonI8mm::unpack<kBits, kQuadOfUnit>(vld1q_u8(reinterpret_cast<const uint8_t*>(unit) + 16 * i));
  return quad;
}

std::byte* store_pairs(const Quad& first, const Quad& second, std::byte* to) {
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t a = vreinterpretq_u32_u8(first.part[i]), b = vreinterpretq_u32_u8(second.part[i]);
    vst1q_u8(reinterpret_cast<uint8_t*>(to), vreinterpretq_u8_u32(vzip1q_u32(a, b)));
    vst1q_u8(reinterpret_cast<uint8_t*>(to) + 16, vreinterpretq_u8_u32(vzip2q_u32(a, b)));
    to += 32;
  }
  return to;
}

template <int kBits>
void unpack_pairs(const IntPanelsView& weights, int64_t panel, std::byte* to) {
  const std::byte* from = weights.data + panel * weights.panel_bytes + weights.codes_offset;
  for (int64_t s = 0; s < weights.segment_count; ++s) {
    int64_t units = weights.segments[s].units;
    if constexpr (kBits == 8) {
      for (; units >= 2; units -= 2, from += 2 * kUnitBytes)
        to = store_pairs(quad_of<8, 0>(from), quad_of<8, 0>(from + kUnitBytes), to);
      if (units == 0) continue;
      to = store_pairs(quad_of<8, 0>(from), Quad{}, to);
      from += kUnitBytes;
    } else {
      for (; units > 0; --units, from += kUnitBytes) {
        to = store_pairs(quad_of<kBits, 0>(from), quad_of<kBits, 1>(from), to);
        if constexpr (kBits == 2) to = store_pairs(quad_of<2, 2>(from), quad_of<2, 3>(from), to);
      }
    }
  }
}

/// Rows [m0, m0 + count), kTileRows at most, times one panel.
template <class V, Mode kMode>
void tile_of_pairs(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t m0,
                   int64_t count, int64_t panel, const std::byte* pairs) {
  const std::byte* packed = weights.data + panel * weights.panel_bytes;
  const auto row = [&](int64_t r) { return m0 + (r < count ? r : count - 1); };
  const int8_t* a[kTileRows];
  for (int r = 0; r < kTileRows; ++r) a[r] = rows.codes + row(r) * rows.stride;
  typename V::Float sum[kTileRows];
  for (auto& x : sum) x = V::broadcast(0.0f);

  for (int64_t s = 0; s < weights.segment_count; ++s) {
    const IntSegment& segment = weights.segments[s];
    int32x4_t acc[kTileRows / 2][kPairsOfOutputs] = {};
    const int64_t end = segment.packed + columns_of(weights, segment);
    for (int64_t k = segment.packed; k < end; k += kColumns) {
      int8x16_t two[kTileRows / 2];
      for (int p = 0; p < kTileRows / 2; ++p)
        two[p] = vcombine_s8(vld1_s8(a[2 * p] + k), vld1_s8(a[2 * p + 1] + k));
#pragma GCC unroll 8
      for (int i = 0; i < kPairsOfOutputs; ++i, pairs += 16) {
        const uint8x16_t codes = vld1q_u8(reinterpret_cast<const uint8_t*>(pairs));
        for (int p = 0; p < kTileRows / 2; ++p) acc[p][i] = vusmmlaq_s32(acc[p][i], codes, two[p]);
      }
    }
    const Start<V, kMode> start(weights, packed, segment);
    const Finish<V, kMode> add(weights, packed, segment);
    for (int r = 0; r < kTileRows; ++r) {
      const int32x4_t* sums = acc[r / 2];
      const auto products = V::template parts<typename V::Int>([&](int i) {
        return r % 2 == 0 ? vuzp1q_s32(sums[2 * i], sums[2 * i + 1])
                          : vuzp2q_s32(sums[2 * i], sums[2 * i + 1]);
      });
      const int32_t row_sum = rows.sums[s * rows.sums_step + row(r)];
      const float* row_scale =
          has_group_scales<kMode>(rows) ? rows.scales + row(r) * rows.groups + segment.a_group : nullptr;
      sum[r] = add(sum[r], V::add(products, V::from_start(start(row_sum))), row_scale, row_sum);
    }
  }
  float products[kTileRows][kPanelRows];
  for (int r = 0; r < kTileRows; ++r) V::store(products[r], sum[r]);
  finish(products[0], kPanelRows, rows, out, m0, count, panel * kPanelRows, weights.n);
}

template <class V, Mode kMode>
void tiles(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t panel,
           const std::byte* pairs) {
  for (int64_t m = 0; m < rows.rows; m += kTileRows)
    tile_of_pairs<V, kMode>(weights, rows, out, m, rows.rows - m < kTileRows ? rows.rows - m : kTileRows,
                            panel, pairs);
}

template <class V>
void tiles_by(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out, int64_t panel,
              const std::byte* pairs) {
  if (rows.groups != 1) return tiles<V, Mode::any>(weights, rows, out, panel, pairs);
  if (weights.zero_kind == ZeroKind::shared) return tiles<V, Mode::shared>(weights, rows, out, panel, pairs);
  if (weights.zero_kind == ZeroKind::per_group)
    return tiles<V, Mode::zeros>(weights, rows, out, panel, pairs);
  return tiles<V, Mode::minimum>(weights, rows, out, panel, pairs);
}

void many_rows_by_pairs(const IntPanelsView& weights, const IntRows& rows, const IntOutput& out,
                        int64_t panel, int64_t, std::byte* scratch) {
  with_bits(weights, [&]<int kBits>() { unpack_pairs<kBits>(weights, panel, scratch); });
  if (SmallSums<NeonI8mm>::fit(weights))
    tiles_by<SmallSums<NeonI8mm>>(weights, rows, out, panel, scratch);
  else
    tiles_by<NeonI8mm>(weights, rows, out, panel, scratch);
}

}  // namespace

const IntGemmLoops int_gemm_neoni8mm = {1,
                                        0,
                                        up_to<2 * kMostRows>,
                                        no_other_bytes,
                                        quantize_rows<NeonI8mm>,
                                        few_rows<NeonI8mm>,
                                        pairs_bytes,
                                        many_rows_by_pairs};

}  // namespace halftone::cpu
