#pragma once

// The tile loops over a vector type V, for the per-ISA sources only. Everything is in an unnamed namespace
// and calls no inline function of another header: a copy compiled for one processor must not be shared with
// code for another.

#include "backend/cpu/int8/code_tile.h"

namespace halftone::cpu {
namespace {

/// Sums of kRows rows and kPanels panels.
template <class V, int kRows, int kPanels>
struct CodeSums {
  typename V::Sum sum[kRows][kPanels];
};

template <class V, int kRows, int kPanels>
void multiply_tile(const CodeTile& tile, int64_t row, int64_t panel, CodeSums<V, kRows, kPanels>& sums) {
  const int64_t panel_bytes = tile.taps * tile.quads * 64;
  const int8_t* weights = tile.weights + panel * panel_bytes;
  typename V::Sum sum[kRows][kPanels];
  for (int p = 0; p < kPanels; ++p) {
    const typename V::Sum bias = V::sum_from(tile.bias + (panel + p) * kCodePanel);
    for (int r = 0; r < kRows; ++r) sum[r][p] = bias;
  }
  const uint8_t* const* rows = tile.rows + row;
  for (int64_t tap = 0; tap < tile.taps; ++tap, rows += tile.row_step) {
    const uint8_t* from[kRows];
    for (int r = 0; r < kRows; ++r) from[r] = rows[r];
    if constexpr (requires { V::add_products(sum, weights, from, tile.quads); }) {
      V::add_products(sum, weights, from, tile.quads);
      weights += 64 * tile.quads;
    } else {
      for (int64_t quad = 0; quad < tile.quads; ++quad, weights += 64) {
        typename V::Weights w[kPanels];
        for (int p = 0; p < kPanels; ++p) w[p] = V::weights(weights + p * panel_bytes);
        for (int r = 0; r < kRows; ++r) {
          const typename V::Codes codes = V::codes(from[r] + quad * kCodeQuad);
          for (int p = 0; p < kPanels; ++p) sum[r][p] = V::dot(sum[r][p], w[p], codes);
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) sums.sum[r][p] = sum[r][p];
}

template <class V, int kPanels, int kRows, class Store>
void run_rows(const CodeTile& tile, int64_t row, int64_t panel, Store store) {
  CodeSums<V, kRows, kPanels> sums;
  multiply_tile<V, kRows, kPanels>(tile, row, panel, sums);
  store(row, sums.sum);
}

/// `count` rows (kRows at most) from `row`.
template <class V, int kPanels, int kRows, class Store>
void run_part(const CodeTile& tile, int64_t row, int64_t count, int64_t panel, Store store) {
  if (count == kRows)
    run_rows<V, kPanels, kRows>(tile, row, panel, store);
  else if constexpr (kRows > 1)
    run_part<V, kPanels, kRows - 1>(tile, row, count, panel, store);
}

/// `count` rows from `first` of kPanels panels, in even shares of at most V::kRows[kPanels - 1].
template <class V, int kPanels, class Store>
void run_block(const CodeTile& tile, int64_t first, int64_t count, int64_t panel, Store store) {
  constexpr int kRows = V::kRows[kPanels - 1];
  const int64_t parts = (count + kRows - 1) / kRows;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = count * part / parts;
    run_part<V, kPanels, kRows>(tile, first + begin, count * (part + 1) / parts - begin, panel, store);
  }
}

template <class V, int kPanels, class Make>
void run_panels(const CodeTile& tile, int64_t first, int64_t count, int64_t panel, int64_t panels,
                Make make) {
  if (panels == kPanels)
    run_block<V, kPanels>(tile, first, count, panel, make.template operator()<kPanels>(panel));
  else if constexpr (kPanels > 1)
    run_panels<V, kPanels - 1>(tile, first, count, panel, panels, make);
}

/// `count` rows from `first`, all panels. `make`: codes_store() or floats_store().
template <class V, class Make>
void run_tile(const CodeTile& tile, int64_t first, int64_t count, Make make) {
  const int64_t panels = (tile.outputs + kCodePanel - 1) / kCodePanel;
  for (int64_t panel = 0; panel < panels; panel += V::kBlock)
    run_panels<V, V::kBlock>(tile, first, count, panel,
                             panels - panel < V::kBlock ? panels - panel : V::kBlock, make);
}

/// Makes, of a panel, what stores the sums of some rows of kPanels panels from it: as codes,
template <class V>
auto codes_store(const CodeTile& tile, const CodeFinish& finish, uint8_t* out) {
  return [&, out]<int kPanels>(int64_t panel) {
    const int64_t first = panel * kCodePanel;
    const typename V::template Finish<kPanels> last(finish, first);
    const int64_t left = tile.outputs - first;
    const int64_t count = left < kPanels * kCodePanel ? left : kPanels * kCodePanel;
    return [=, &tile]<int kRows>(int64_t row, const typename V::Sum(&sums)[kRows][kPanels]) {
      const auto place = [&](int r) {
        return (tile.places ? tile.places[row + r] : row + r) * tile.out_step + first;
      };
      if constexpr (requires { last.kTogether; }) {
        const bool adjacent = !tile.places && count == kPanels * kCodePanel && tile.out_step == count;
        last.store_rows(
            sums, [&](int r) { return out + place(r); }, count, adjacent);
      } else {
        for (int r = 0; r < kRows; ++r)
          last.store(sums[r], tile.residual ? tile.residual + place(r) : nullptr, out + place(r), count);
      }
    };
  };
}

/// as floats.
template <class V>
auto floats_store(const CodeTile& tile, const CodeFinish& finish, float* out) {
  return [&, out]<int kPanels>(int64_t panel) {
    const int64_t first = panel * kCodePanel;
    return [=, &tile, &finish]<int kRows>(int64_t row, const typename V::Sum(&sums)[kRows][kPanels]) {
      for (int r = 0; r < kRows; ++r)
        for (int p = 0; p < kPanels; ++p) {
          const int64_t output = first + p * kCodePanel;
          const int64_t left = tile.outputs - output;
          const int64_t at = (tile.places ? tile.places[row + r] : row + r) * tile.out_step + output;
          V::store_floats(sums[r][p], finish, output, tile.residual ? tile.residual + at : nullptr, out + at,
                          left < kCodePanel ? left : kCodePanel);
        }
    };
  };
}

template <class V>
void tile_to_codes(const CodeTile& tile, const CodeFinish& finish, uint8_t* out) {
  run_tile<V>(tile, 0, tile.count, codes_store<V>(tile, finish, out));
}

template <class V>
void tile_to_floats(const CodeTile& tile, const CodeFinish& finish, float* out) {
  run_tile<V>(tile, 0, tile.count, floats_store<V>(tile, finish, out));
}

inline size_t no_scratch(int64_t, int64_t) {
  return 0;
}

template <class V>
constexpr CodeLoops kCodeLoops = {V::kCodeBias,     kCodeQuad,         no_scratch,
                                  tile_to_codes<V>, tile_to_floats<V>, V::kActivations};

}  // namespace
}  // namespace halftone::cpu
