#pragma once

// The floating-point loops over a vector type V of 16 lanes, for the per-ISA sources only. Everything is in
// an unnamed namespace and calls no inline function of another header: a copy compiled for one processor must
// not be shared with code for another.

#include "backend/cpu/gemm/decode_loops.h"

namespace halftone::cpu {
namespace {

/// Columns decoded at a time.
constexpr int64_t kFewColumns = 1024;
constexpr int64_t kManyColumns = 512;

/// Y = alpha * Y + beta * C for outputs [begin, end) of every row.
[[gnu::noinline]] void finish(const FloatOutput& out, int64_t m, int64_t n, int64_t begin, int64_t end) {
  if (out.alpha == 1 && !out.c) return;
  for (int64_t row = 0; row < m; ++row) {
    float* y = out.y + row * n;
    if (out.alpha != 1)
      for (int64_t i = begin; i < end; ++i) y[i] *= out.alpha;
    if (!out.c) continue;
    const float* c = out.c + row * out.c_row_step;
    for (int64_t i = begin; i < end; ++i) y[i] += out.beta * c[i * out.c_column_step];
  }
}

/// acc[i] += 16 partial sums of a times weight row i over `count` columns.
template <class V, int kOutputs>
void dot(const float* a, const float* const* weights, int64_t count, typename V::Float* acc) {
  typename V::Float sum[kOutputs];
#pragma GCC unroll 4
  for (int i = 0; i < kOutputs; ++i) sum[i] = acc[i];
  int64_t k = 0;
  for (; k + kLanes <= count; k += kLanes) {
    const auto x = V::load(reinterpret_cast<const std::byte*>(a + k));
#pragma GCC unroll 4
    for (int i = 0; i < kOutputs; ++i)
      sum[i] = V::fma(V::load(reinterpret_cast<const std::byte*>(weights[i] + k)), x, sum[i]);
  }
  if (k < count) {
    const auto x = load_some<V>(RowKind::f32, reinterpret_cast<const std::byte*>(a + k), count - k);
#pragma GCC unroll 4
    for (int i = 0; i < kOutputs; ++i)
      sum[i] =
          V::fma(load_some<V>(RowKind::f32, reinterpret_cast<const std::byte*>(weights[i] + k), count - k), x,
                 sum[i]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kOutputs; ++i) acc[i] = sum[i];
}

template <class V>
void few_rows(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out, int64_t begin,
              int64_t end) {
  constexpr int kOutputs = 4;
  alignas(64) float decoded[kOutputs][kFewColumns + kLanes];
  for (int64_t n = begin; n < end; n += kOutputs) {
    const int64_t outputs = end - n < kOutputs ? end - n : kOutputs;
    typename V::Float acc[kFewFloatRows][kOutputs];
    for (int64_t row = 0; row < m; ++row)
      for (int i = 0; i < kOutputs; ++i) acc[row][i] = V::broadcast(0.0f);
    for (int64_t k = 0; k < w.k; k += kFewColumns) {
      const int64_t count = w.k - k < kFewColumns ? w.k - k : kFewColumns;
      const float* weights[kOutputs];
      for (int64_t i = 0; i < kOutputs; ++i) {
        const int64_t row = n + (i < outputs ? i : outputs - 1);
        weights[i] = decoded[i];
        if (w.kind == RowKind::f32)
          weights[i] = reinterpret_cast<const float*>(w.data + row * w.row_bytes) + k;
        else if (i < outputs)
          decode_row<V>(w, row, k, k + count, decoded[i]);
        else
          weights[i] = decoded[outputs - 1];
      }
      for (int64_t row = 0; row < m; ++row) dot<V, kOutputs>(a + row * w.k + k, weights, count, acc[row]);
    }
    for (int64_t row = 0; row < m; ++row)
      for (int64_t i = 0; i < outputs; ++i) out.y[row * w.n + n + i] = V::sum(acc[row][i]);
  }
  finish(out, m, w.n, begin, end);
}

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

template <class V>
void many_rows(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out, int64_t begin,
               int64_t end, std::byte* scratch) {
  auto* panels = reinterpret_cast<float*>(scratch);
  float* rows = panels + V::kTilePanels * kManyColumns * kLanes;  // [16][kManyColumns], 16 more
  for (int64_t k = 0; k < w.k; k += kManyColumns) {
    const int64_t count = w.k - k < kManyColumns ? w.k - k : kManyColumns;
    for (int64_t p = 0; p < V::kTilePanels; ++p) {
      for (int64_t r = 0; r < kLanes; ++r) {
        const int64_t n = begin + p * kLanes + r;
        decode_row<V>(w, n < end ? n : end - 1, k, k + count, rows + r * kManyColumns);
      }
      for (int64_t i = 0; i < count; i += kLanes)
        V::transpose(rows + i, kManyColumns, panels + (p * kManyColumns + i) * kLanes);
    }
    float_tiles<V>(a + k, w.k, m, panels, count, out.y + begin, w.n, end - begin, k == 0);
  }
  finish(out, m, w.n, begin, end);
}

template <class V>
constexpr FloatGemmLoops kFloatGemmLoops = {
    V::kTilePanels* kLanes,
    (V::kTilePanels + 1) * kManyColumns* kLanes* static_cast<int64_t>(sizeof(float)),
    few_rows<V>,
    many_rows<V>,
};

}  // namespace
}  // namespace halftone::cpu
