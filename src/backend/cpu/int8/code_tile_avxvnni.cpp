#include <array>

#include "backend/cpu/dot_products_avxvnni.h"
#include "backend/cpu/int8/code_sums_avx2.h"
#include "backend/cpu/int8/code_tile_loops.h"

namespace halftone::cpu {
namespace {

/// kHalves times 8 outputs of a panel.
template <int kHalves>
struct AvxVnni {
  struct Sum {
    __m256i half[kHalves];
  };
  using Weights = Sum;
  using Codes = __m256i;
  static constexpr std::array<int, 1> kRows = {6};  // 12 sums, 2 of weights, a quad of codes

  static Sum load(const void* from) {
    Sum sum;
#pragma GCC unroll 2
    for (int h = 0; h < kHalves; ++h) sum.half[h] = _mm256_loadu_si256(static_cast<const __m256i*>(from) + h);
    return sum;
  }
  static Sum sum_from(const int32_t* bias) {
    return load(bias);
  }
  static Weights weights(const int8_t* from) {
    return load(from);
  }
  static Codes codes(const uint8_t* from) {
    int32_t quad;
    __builtin_memcpy(&quad, from, sizeof(quad));
    return _mm256_set1_epi32(quad);
  }
  static Sum dot(Sum sum, const Weights& weights, Codes codes) {
#pragma GCC unroll 2
    for (int h = 0; h < kHalves; ++h) sum.half[h] = add_byte_products(sum.half[h], codes, weights.half[h]);
    return sum;
  }
};

constexpr int64_t kBatchRows = 48;

/// Rows [first, first + rows) of a panel.
template <class V>
void sum_rows(const CodeTile& tile, int64_t first, int64_t rows, int64_t panel, int32_t* sums) {
  run_block<V, 1>(
      tile, first, rows, panel, [&]<int kRows>(int64_t row, const typename V::Sum(&made)[kRows][1]) {
        auto* to = reinterpret_cast<std::byte*>(sums + (row - first) * kCodePanel);
        for (int r = 0; r < kRows; ++r)
          __builtin_memcpy(to + r * kCodePanel * sizeof(int32_t), &made[r][0], sizeof(made[r][0]));
      });
}

struct AvxVnniSums {
  template <class Store>
  static void make(const CodeTile& tile, Store store) {
    alignas(32) int32_t sums[kBatchRows * kCodePanel];
    for (int64_t first = 0; first < tile.count; first += kBatchRows) {
      const int64_t rows = tile.count - first < kBatchRows ? tile.count - first : kBatchRows;
      for (int64_t output = 0; output < tile.outputs; output += kCodePanel) {
        const int64_t left = tile.outputs - output, count = left < kCodePanel ? left : kCodePanel;
        const int64_t panel = output / kCodePanel;
        count <= 8 ? sum_rows<AvxVnni<1>>(tile, first, rows, panel, sums)
                   : sum_rows<AvxVnni<2>>(tile, first, rows, panel, sums);
        store(first, rows, output, count, sums);
      }
    }
  }
};

}  // namespace

const CodeLoops code_loops_avxvnni = {0,
                                      kCodeQuad,
                                      no_scratch,
                                      sums_to_codes<AvxVnniSums>,
                                      sums_to_floats<AvxVnniSums>,
                                      &activation_avx2,
                                      kBatchRows};

}  // namespace halftone::cpu
