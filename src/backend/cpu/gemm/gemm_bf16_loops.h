#pragma once

// The loops of gemm_bf16.h over a class Products that multiplies tiles, for the per-ISA sources only
// (gemm_float_loops.h says why all of it is in an unnamed namespace).

#include "backend/cpu/gemm/bf16_pack.h"
#include "backend/cpu/gemm/gemm_few_rows_loops.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kTileFloats = kBf16Side * kBf16Side;

/// Columns [k, k + count) of 16 outputs from n on: for each 32 columns, each part, [16 outputs][32]. Outputs
/// behind `end` are the last once more.
template <int kParts>
void decode_tile(const WeightRows& w, int64_t n, int64_t end, int64_t k, int64_t count, float* row,
                 std::byte* tiles) {
  for (int64_t r = 0; r < kBf16Side; ++r) {
    const int64_t output = n + r < end ? n + r : end - 1;
    std::byte* to = tiles + r * 64;
    if constexpr (kParts == 1) {
      if (w.kind == RowKind::bf16) {
        const std::byte* from = w.data + output * w.row_bytes + k * 2;
        int64_t i = 0;
        for (; i + kBf16Depth <= count; i += kBf16Depth, to += kBf16TileBytes)
          _mm512_store_si512(to, _mm512_loadu_si512(from + i * 2));
        if (i < count)
          _mm512_store_si512(
              to, _mm512_maskz_loadu_epi16(static_cast<__mmask32>((1u << (count - i)) - 1), from + i * 2));
        continue;
      }
    }
    decode_row<Avx512>(w, output, k, k + count, row);
    for (int64_t i = 0; i < count; i += kBf16Depth) {
      __m512i parts[kParts];
      split<kParts>(_mm512_maskz_loadu_ps(lanes_before(i, count), row + i),
                    _mm512_maskz_loadu_ps(lanes_before(i + 16, count), row + i + 16), parts);
      for (int p = 0; p < kParts; ++p, to += kBf16TileBytes) _mm512_store_si512(to, parts[p]);
    }
  }
}

/// Sums of one tile, [16 outputs][16 rows], to Y.
inline void store_sums(const float* sums, const float* scales, int64_t rows, int64_t outputs, float* y,
                       int64_t y_step) {
  alignas(64) float scaled[kTileFloats], turned[kTileFloats];
  if (scales) {
    for (int64_t i = 0; i < kBf16Side; ++i)
      _mm512_store_ps(scaled + i * kBf16Side,
                      _mm512_mul_ps(_mm512_load_ps(sums + i * kBf16Side),
                                    _mm512_set1_ps(scales[i < outputs ? i : outputs - 1])));
    sums = scaled;
  }
  Avx512::transpose(sums, kBf16Side, turned);
  const __mmask16 lanes = lanes_before(0, outputs);
  for (int64_t r = 0; r < rows && r < kBf16Side; ++r)
    _mm512_mask_storeu_ps(y + r * y_step, lanes, _mm512_load_ps(turned + r * kBf16Side));
}

/// Two tiles of outputs, or the last one alone, of a block of columns.
struct TilePair {
  const std::byte* weights;
  const std::byte* rows;  ///< [m_tiles]
  float* sums;            ///< [1 or 2][m_tiles]
  int64_t m_tiles, steps;
  bool first;  ///< sums begin at 0
};

template <class Products, int kParts, int kRowParts, int kN>
void pair_products(const TilePair& pair) {
  const int64_t m_step = pair.steps * kRowParts * kBf16TileBytes, down = pair.m_tiles * kTileFloats;
  int64_t m = 0;
  for (; m + 2 <= pair.m_tiles; m += 2)
    Products::template run<kParts, kRowParts, kN, 2>(pair.weights, pair.rows + m * m_step, pair.steps,
                                                     pair.sums + m * kTileFloats, down, pair.first);
  if (m < pair.m_tiles)
    Products::template run<kParts, kRowParts, kN, 1>(pair.weights, pair.rows + m * m_step, pair.steps,
                                                     pair.sums + m * kTileFloats, down, pair.first);
}

template <class Products, int kParts, int kRowParts>
void multiply_parts(const Bf16Weights& w, const Bf16Rows& a, const FloatOutput& out, int64_t begin,
                    int64_t end, std::byte* scratch) {
  const int64_t m_tiles = a.row_tiles, n_tiles = (end - begin + kBf16Side - 1) / kBf16Side;
  auto* sums = reinterpret_cast<float*>(scratch);  // [n_tiles][m_tiles]
  std::byte* weights = scratch + n_tiles * m_tiles * kTileFloats * 4;
  auto* row = reinterpret_cast<float*>(weights + 2 * kBf16Side * a.block * kParts * 2);
  [[maybe_unused]] const Products products;
  for (int64_t k = 0; k < a.k; k += a.block) {
    const int64_t count = a.k - k < a.block ? a.k - k : a.block;
    const int64_t steps = (count + kBf16Depth - 1) / kBf16Depth;
    const std::byte* rows = a.tiles + k / kBf16Depth * m_tiles * kRowParts * kBf16TileBytes;
    for (int64_t t = 0; t < n_tiles; t += 2) {
      const int64_t n = begin + t * kBf16Side;
      const TilePair pair{weights, rows, sums + t * m_tiles * kTileFloats, m_tiles, steps, k == 0};
      decode_tile<kParts>(w.rows, n, end, k, count, row, weights);
      if (t + 1 == n_tiles) {
        pair_products<Products, kParts, kRowParts, 1>(pair);
        break;
      }
      decode_tile<kParts>(w.rows, n + kBf16Side, end, k, count, row,
                          weights + steps * kParts * kBf16TileBytes);
      pair_products<Products, kParts, kRowParts, 2>(pair);
    }
  }
  for (int64_t m = 0; m < m_tiles; ++m)
    for (int64_t t = 0; t < n_tiles; ++t) {
      const int64_t n = begin + t * kBf16Side;
      store_sums(sums + (t * m_tiles + m) * kTileFloats, w.row_scales ? w.row_scales + n : nullptr,
                 a.rows - m * kBf16Side, end - n, out.y + m * kBf16Side * w.rows.n + n, w.rows.n);
    }
  finish(out, a.rows, w.rows.n, begin, end);
}

template <class Products, int kParts>
void multiply_by(const Bf16Weights& w, const Bf16Rows& a, const FloatOutput& out, int64_t begin, int64_t end,
                 std::byte* scratch) {
  if (a.parts == 1)
    multiply_parts<Products, kParts, 1>(w, a, out, begin, end, scratch);
  else
    multiply_parts<Products, kParts, kMostParts>(w, a, out, begin, end, scratch);
}

template <class Products>
void multiply(const Bf16Weights& w, const Bf16Rows& a, const FloatOutput& out, int64_t begin, int64_t end,
              std::byte* scratch) {
  if (w.parts == 1)
    multiply_by<Products, 1>(w, a, out, begin, end, scratch);
  else if (w.parts == 2)
    multiply_by<Products, 2>(w, a, out, begin, end, scratch);
  else
    multiply_by<Products, kMostParts>(w, a, out, begin, end, scratch);
}

template <class Products>
constexpr Bf16GemmLoops kBf16GemmLoops = {pack, multiply<Products>};

}  // namespace
}  // namespace halftone::cpu
