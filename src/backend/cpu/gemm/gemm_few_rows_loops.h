#pragma once

// Floating-point Gemm of few rows over a vector type V of 16 lanes, for the per-ISA sources only (see
// gemm_float_loops.h).

#include <utility>

#include "backend/cpu/gemm/decode_loops.h"

namespace halftone::cpu {
namespace {

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

/// Rows of weights that are read side by side, at most: as many streams keep more of the memory busy than
/// one. V::kOutputs has how many beside 1, 2 and 4 rows of A, whose sums fill the registers.
constexpr int kMostOutputs = 4;

template <class Decoder, int kOutputs>
struct Decoders {
  Decoder row[kOutputs];

  template <class Output, int... kIndex>
  Decoders(const WeightRows& w, Output output, std::integer_sequence<int, kIndex...>)
      : row{Decoder(w, output(kIndex))...} {}
};

/// kRows rows of A, from m0 on, times kOutputs rows of weights, n0 and every step-th behind it. Rows and
/// outputs that do not exist are read as the last one and not written.
template <class V, RowKind kKind, int kWholeBits, int kRows, int kOutputs>
[[gnu::noinline]] void dot_rows(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out,
                                int64_t m0, int64_t n0, int64_t step, int64_t end) {
  auto output = [&](int i) { return n0 + i * step < end ? n0 + i * step : end - 1; };
  Decoders<RowDecoder<V, kKind, kWholeBits>, kOutputs> weights(w, output,
                                                               std::make_integer_sequence<int, kOutputs>());
  const std::byte* x[kRows];
  for (int r = 0; r < kRows; ++r)
    x[r] = reinterpret_cast<const std::byte*>(a + (m0 + r < m ? m0 + r : m - 1) * w.k);
  typename V::Float sum[kRows][kOutputs];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int i = 0; i < kOutputs; ++i) sum[r][i] = V::broadcast(0.0f);

  int64_t k = 0;
  for (int64_t group = 0; k < w.k; ++group) {
    const int64_t group_end = (group + 1) * w.group < w.k ? (group + 1) * w.group : w.k;
#pragma GCC unroll 4
    for (int i = 0; i < kOutputs; ++i) weights.row[i].set_group(group);
    for (; k + kLanes <= group_end; k += kLanes)
#pragma GCC unroll 4
      for (int i = 0; i < kOutputs; ++i) {
        const auto weight = weights.row[i].all(k);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) sum[r][i] = V::fma(weight, V::load(x[r] + k * 4), sum[r][i]);
      }
    if (k == group_end) continue;
#pragma GCC unroll 4
    for (int i = 0; i < kOutputs; ++i) {
      const auto weight = weights.row[i].some(k, group_end - k);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r)
        sum[r][i] = V::fma(weight, load_some<V>(RowKind::f32, x[r] + k * 4, group_end - k), sum[r][i]);
    }
    k = group_end;
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int i = 0; i < kOutputs; ++i)
      if (m0 + r < m && n0 + i * step < end) out.y[(m0 + r) * w.n + n0 + i * step] = V::sum(sum[r][i]);
}

/// kRows rows of A at a time, 4 at most. Each stream takes consecutive rows of weights, so that what is
/// fetched ahead of a row's end is its next row.
template <class V, RowKind kKind, int kWholeBits, int kRows>
void rows_by(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out, int64_t begin,
             int64_t end) {
  constexpr int kOutputs = V::kOutputs[kRows / 2];
  const int64_t step = (end - begin + kOutputs - 1) / kOutputs;
  for (int64_t n = begin; n < begin + step; ++n)
    for (int64_t m0 = 0; m0 < m; m0 += kRows) {
      if (m - m0 == 1)
        dot_rows<V, kKind, kWholeBits, 1, kOutputs>(w, a, m, out, m0, n, step, end);
      else if (kRows > 2 && m - m0 > 2)
        dot_rows<V, kKind, kWholeBits, kRows, kOutputs>(w, a, m, out, m0, n, step, end);
      else
        dot_rows < V, kKind, kWholeBits, kRows<2 ? 1 : 2, kOutputs>(w, a, m, out, m0, n, step, end);
    }
}

template <class V, RowKind kKind, int kWholeBits>
void few_rows_by(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out, int64_t begin,
                 int64_t end) {
  if (m == 1)
    rows_by<V, kKind, kWholeBits, 1>(w, a, m, out, begin, end);
  else if (m == 2)
    rows_by<V, kKind, kWholeBits, 2>(w, a, m, out, begin, end);
  else
    rows_by<V, kKind, kWholeBits, 4>(w, a, m, out, begin, end);
  finish(out, m, w.n, begin, end);
}

template <class V, RowKind kKind>
void few_rows_of(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out, int64_t begin,
                 int64_t end) {
  with_whole_bits<V, kKind>(
      w, [&]<int kWholeBits>() { few_rows_by<V, kKind, kWholeBits>(w, a, m, out, begin, end); });
}

template <class V>
void few_rows(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out, int64_t begin,
              int64_t end) {
  switch (w.kind) {
    case RowKind::f32:
      return few_rows_of<V, RowKind::f32>(w, a, m, out, begin, end);
    case RowKind::f16:
      return few_rows_of<V, RowKind::f16>(w, a, m, out, begin, end);
    case RowKind::bf16:
      return few_rows_of<V, RowKind::bf16>(w, a, m, out, begin, end);
    case RowKind::integers:
      return few_rows_of<V, RowKind::integers>(w, a, m, out, begin, end);
    case RowKind::minimum:
      return few_rows_of<V, RowKind::minimum>(w, a, m, out, begin, end);
    case RowKind::table:
      return few_rows_of<V, RowKind::table>(w, a, m, out, begin, end);
  }
}

}  // namespace
}  // namespace halftone::cpu
