#pragma once

// The floating-point loops over a vector type V of 16 lanes, for the per-ISA sources only. Everything is in
// an unnamed namespace and calls no inline function of another header: a copy compiled for one processor must
// not be shared with code for another.

#include "backend/cpu/gemm/gemm_few_rows_loops.h"

namespace halftone::cpu {
namespace {

/// Columns that many_rows() decodes at a time.
constexpr int64_t kManyColumns = 512;

/// kRows rows times kPanels panels [count][16] of weights, added to what Y holds unless this is the first
/// part of the columns.
template <class V, int kRows>
void float_tile(const float* a, int64_t a_step, const float* panels, int64_t count, float* y, int64_t y_step,
                int64_t outputs, bool first) {
  constexpr int kPanels = V::kTilePanels;
  typename V::Float sum[kRows][kPanels];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) sum[r][p] = V::broadcast(0.0f);
  for (int64_t k = 0; k < count; ++k) {
    typename V::Float weights[kPanels];
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p)
      weights[p] = V::load(reinterpret_cast<const std::byte*>(panels + (p * kManyColumns + k) * kLanes));
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const auto x = V::broadcast(a[r * a_step + k]);
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) sum[r][p] = V::fma(weights[p], x, sum[r][p]);
    }
  }
  alignas(64) float products[kRows][kPanels * kLanes];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) V::store(products[r] + p * kLanes, sum[r][p]);
  for (int r = 0; r < kRows; ++r)
    for (int64_t i = 0; i < outputs; ++i)
      y[r * y_step + i] = first ? products[r][i] : y[r * y_step + i] + products[r][i];
}

template <class V, int kRows = V::kTileRows>
void float_tiles(const float* a, int64_t a_step, int64_t m, const float* panels, int64_t count, float* y,
                 int64_t y_step, int64_t outputs, bool first) {
  for (; m >= kRows; m -= kRows, a += kRows * a_step, y += kRows * y_step)
    float_tile<V, kRows>(a, a_step, panels, count, y, y_step, outputs, first);
  if constexpr (kRows > 1) float_tiles<V, kRows / 2>(a, a_step, m, panels, count, y, y_step, outputs, first);
}

/// Tiles of A times panels that fill(first column, count, panels) makes, for outputs [begin, end) of n.
template <class V, class Fill>
void tiles_of_panels(const float* a, int64_t a_step, int64_t m, int64_t depth, int64_t n,
                     const FloatOutput& out, int64_t begin, int64_t end, float* panels, Fill fill) {
  for (int64_t k = 0; k < depth; k += kManyColumns) {
    const int64_t count = depth - k < kManyColumns ? depth - k : kManyColumns;
    fill(k, count, panels);
    float_tiles<V>(a + k, a_step, m, panels, count, out.y + begin, n, end - begin, k == 0);
  }
  finish(out, m, n, begin, end);
}

template <class V>
void many_rows(const WeightRows& w, const float* a, int64_t a_step, int64_t m, const FloatOutput& out,
               int64_t begin, int64_t end, std::byte* scratch) {
  auto* panels = reinterpret_cast<float*>(scratch);
  float* rows = panels + V::kTilePanels * kManyColumns * kLanes;  // [16][kManyColumns]
  tiles_of_panels<V>(a, a_step, m, w.k, w.n, out, begin, end, panels,
                     [&](int64_t k, int64_t count, float* to) {
                       for (int64_t p = 0; p < V::kTilePanels; ++p) {
                         for (int64_t r = 0; r < kLanes; ++r) {
                           const int64_t n = begin + p * kLanes + r;
                           decode_row<V>(w, n < end ? n : end - 1, k, k + count, rows + r * kManyColumns);
                         }
                         for (int64_t i = 0; i < count; i += kLanes)
                           V::transpose(rows + i, kManyColumns, to + (p * kManyColumns + i) * kLanes);
                       }
                     });
}

/// B lies as panels want it, but for the outputs beyond `end`.
template <class V>
void many_columns(const MatrixView& b, const float* a, int64_t a_step, int64_t m, const FloatOutput& out,
                  int64_t begin, int64_t end, std::byte* scratch) {
  auto* panels = reinterpret_cast<float*>(scratch);
  tiles_of_panels<V>(a, a_step, m, b.rows, b.columns, out, begin, end, panels,
                     [&](int64_t k, int64_t count, float* to) {
                       for (int64_t p = 0; p < V::kTilePanels; ++p) {
                         const int64_t first = begin + p * kLanes;
                         const int64_t here = end - first < kLanes ? end - first : kLanes;
                         for (int64_t i = 0; i < count; ++i) {
                           const float* from = b.data + (k + i) * b.step + first;
                           float* panel = to + (p * kManyColumns + i) * kLanes;
                           if (here == kLanes) {
                             V::store(panel, V::load(reinterpret_cast<const std::byte*>(from)));
                             continue;
                           }
                           for (int64_t lane = 0; lane < kLanes; ++lane)
                             panel[lane] = lane < here ? from[lane] : 0.0f;
                         }
                       }
                     });
}

/// The panels, 16 rows as they are decoded, and what decode_row() writes behind the last.
template <class V>
constexpr size_t kScratchBytes = sizeof(float) * ((V::kTilePanels + 1) * kManyColumns + 1) * kLanes;

template <class V>
constexpr int64_t kTileOutputs = V::kTilePanels* kLanes;

template <class V>
constexpr FloatGemmLoops kFloatGemmLoops = {kTileOutputs<V>, kScratchBytes<V>, few_rows<V>, many_rows<V>,
                                            many_columns<V>};

}  // namespace
}  // namespace halftone::cpu
