#pragma once

// The loops of float_tile_loops.h over Simd, for the per-ISA sources only, as simd.h.

#include "backend/cpu/simd.h"
#include "backend/cpu/tile/float_tile_loops.h"

namespace halftone::cpu {
namespace {

/// Rows and vectors of the register tile: 12 x 2 accumulators of 32 registers (NEON: 8 x 2), 6 x 2 of 16.
constexpr int kTileRows = Simd::kManyRegisters ? (Simd::kWidth == 16 ? 12 : 8) : 6;
constexpr int kTileVectors = 2;
/// Rows of a tile of one vector: as many as hide the latency, and no more addresses than there are registers
/// for.
constexpr int kNarrowRows = kTileRows < 8 ? 8 : kTileRows;
constexpr int kMostRows = kTileRows < kNarrowRows ? kNarrowRows : kTileRows;

/// The ways to find row r of A. `step` prepares the columns from k = tap * depth on.
struct DenseRows {
  const float* a;
  int64_t a_step;
  const float* at[kMostRows];
  void begin(int64_t row, int rows) {
    for (int r = 0; r < rows; ++r) at[r] = a + (row + r) * a_step;
  }
  void tap(int64_t, int64_t, int) {}
  float operator()(int r, int64_t i) const { return at[r][i]; }
};

struct IndirectRows {
  const float* const* pointers;
  int64_t m;
  const float* at[kMostRows];
  void begin(int64_t, int) {}
  void tap(int64_t t, int64_t row, int rows) {
    for (int r = 0; r < rows; ++r) at[r] = pointers[t * m + row + r];
  }
  float operator()(int r, int64_t i) const { return at[r][i]; }
};

struct GatheredRows {
  const float* a;
  int64_t a_step;
  const int32_t* offsets;
  const float* at[kMostRows];
  void begin(int64_t row, int rows) {
    for (int r = 0; r < rows; ++r) at[r] = a + (row + r) * a_step;
  }
  void tap(int64_t, int64_t, int) {}
  float operator()(int r, int64_t i) const { return at[r][offsets[i]]; }
};

/// GatheredRows whose step is known when compiled: one address for all rows.
template <int kStep>
struct EvenRows {
  const float* a;
  const int32_t* offsets;
  const float* at;
  void begin(int64_t row, int) { at = a + row * kStep; }
  void tap(int64_t, int64_t, int) {}
  float operator()(int r, int64_t i) const { return (at + offsets[i])[r * kStep]; }
};

/// Outputs [0, count) of a vector of sums.
inline void store_sum(Float sum, const TileOutput& out, int64_t row, int64_t n, int64_t count) {
  const bool whole = count >= Simd::kWidth;
  if (out.residual) {
    const float* from = out.residual + row * out.residual_step + n;
    sum = Simd::add(sum, whole ? Simd::load(from) : Simd::load_part(from, count));
  }
  sum = Simd::min(Simd::max(sum, Simd::broadcast(out.low)), Simd::broadcast(out.high));
  float* to = out.y + row * out.y_step + n;
  if (whole)
    Simd::store(to, sum);
  else
    Simd::store_part(to, sum, count);
}

/// All vectors of the tile, none in part.
template <int kRows, int kVectors>
inline void store_whole(Float (&sum)[kRows][kVectors], const TileOutput& out, int64_t row, int64_t n) {
  const Float low = Simd::broadcast(out.low), high = Simd::broadcast(out.high);
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    const int64_t place = out.places ? out.places[row + r] : row + r;
    if (out.residual) {
      const float* from = out.residual + place * out.residual_step + n;
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v)
        sum[r][v] = Simd::add(sum[r][v], Simd::load(from + v * Simd::kWidth));
    }
    float* to = out.y + place * out.y_step + n;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
      Simd::store(to + v * Simd::kWidth, Simd::min(Simd::max(sum[r][v], low), high));
  }
}

/// Never inlined: each has the registers to itself, so that the rows' addresses stay in them.
template <int kRows, int kVectors, class Rows>
[[gnu::noinline]] void tile(Rows rows, int64_t row, int64_t taps, int64_t k, const float* panel, int64_t n,
                            int64_t count, const TileOutput& out) {
  Float sum[kRows][kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const Float bias = Simd::load(out.bias + n + v * Simd::kWidth);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) sum[r][v] = bias;
  }
  rows.begin(row, kRows);
  for (int64_t t = 0; t < taps; ++t) {
    rows.tap(t, row, kRows);
    for (int64_t i = 0; i < k; ++i) {
      Float weights[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) weights[v] = Simd::load(panel + v * Simd::kWidth);
      panel += kVectors * Simd::kWidth;
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
        const Float x = Simd::broadcast(rows(r, i));
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[r][v] = Simd::fma(weights[v], x, sum[r][v]);
      }
    }
  }
  if (count >= kVectors * Simd::kWidth) return store_whole<kRows, kVectors>(sum, out, row, n);
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
      if (count > v * Simd::kWidth)
        store_sum(sum[r][v], out, out.places ? out.places[row + r] : row + r, n + v * Simd::kWidth,
                  count - v * Simd::kWidth);
}

/// Rows [row, row + m) of one panel, m at most kRows.
template <int kRows, int kVectors, class Rows>
void some_rows(const Rows& rows, int64_t row, int64_t m, int64_t taps, int64_t k, const float* panel,
               int64_t n, int64_t count, const TileOutput& out) {
  if (m == kRows) return tile<kRows, kVectors>(rows, row, taps, k, panel, n, count, out);
  if constexpr (kRows > 1) some_rows<kRows - 1, kVectors>(rows, row, m, taps, k, panel, n, count, out);
}

/// Rows [row, m) of one panel. A tile of one row waits for its sums as long as one of many: with few
/// registers, in even shares; with many, as many as fit them at a time, then half as many, and so on.
template <int kRows, int kVectors, class Rows>
void panel_rows(const Rows& rows, int64_t row, int64_t m, int64_t taps, int64_t k, const float* panel,
                int64_t n, int64_t count, const TileOutput& out) {
  if constexpr (!Simd::kManyRegisters) {
    const int64_t parts = (m + kRows - 1) / kRows;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = m * part / parts, end = m * (part + 1) / parts;
      some_rows<kRows, kVectors>(rows, begin, end - begin, taps, k, panel, n, count, out);
    }
  } else {
    for (; row + kRows <= m; row += kRows) tile<kRows, kVectors>(rows, row, taps, k, panel, n, count, out);
    if constexpr (kRows > 1) panel_rows<kRows / 2, kVectors>(rows, row, m, taps, k, panel, n, count, out);
  }
}

template <class Rows>
void panels(const Rows& rows, int64_t m, int64_t taps, int64_t k, const float* packed, int64_t outputs,
            const TileOutput& out) {
  constexpr int64_t kPanel = kTileVectors * Simd::kWidth;
  for (int64_t n = 0; n < outputs; n += kPanel) {
    const float* panel = packed + n * taps * k;
    if (outputs - n > Simd::kWidth)
      panel_rows<kTileRows, kTileVectors>(rows, 0, m, taps, k, panel, n, outputs - n, out);
    else
      panel_rows<kNarrowRows, 1>(rows, 0, m, taps, k, panel, n, outputs - n, out);
  }
}

void dense(const float* a, int64_t a_step, int64_t m, int64_t k, const float* packed, int64_t n,
           const TileOutput& out) {
  panels(DenseRows{a, a_step, {}}, m, 1, k, packed, n, out);
}

void indirect(const float* const* pointers, int64_t taps, int64_t m, int64_t k, const float* packed,
              int64_t n, const TileOutput& out) {
  panels(IndirectRows{pointers, m, {}}, m, taps, k, packed, n, out);
}

void gathered(const float* a, int64_t a_step, const int32_t* offsets, int64_t m, int64_t k,
              const float* packed, int64_t n, const TileOutput& out) {
  if (a_step == 1) return panels(EvenRows<1>{a, offsets, {}}, m, 1, k, packed, n, out);
  if (a_step == 2) return panels(EvenRows<2>{a, offsets, {}}, m, 1, k, packed, n, out);
  panels(GatheredRows{a, a_step, offsets, {}}, m, 1, k, packed, n, out);
}

constexpr FloatTileLoops kFloatTileLoops = {kTileRows, kTileVectors* Simd::kWidth, dense, indirect, gathered};

}  // namespace
}  // namespace halftone::cpu
