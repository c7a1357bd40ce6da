#include <immintrin.h>

#include "backend/cpu/int8/code_sums_avx2.h"

// vpmaddubsw would saturate at 16 bits, so products are of 16-bit numbers: vpmaddwd sums two of them into 32
// bits, exactly. A batch of rows is widened to 16 bits once for all outputs; weights are widened as they are
// loaded.

namespace halftone::cpu {
namespace {

constexpr int kRows = 6;      // of the register tile: 6 x 2 sums, 2 of weights, a pair of codes, a product
constexpr int64_t kSide = 2;  // codes that vpmaddwd sums
constexpr int64_t kBatchRows = 48;
constexpr int64_t kBatchCodes = 16384;  // that stay in the nearest cache beside a panel of weights

/// Rows that are widened at a time: a multiple of kRows.
int64_t batch_rows(int64_t codes) {
  const int64_t rows = kBatchCodes / codes / kRows * kRows;
  return rows < kRows ? kRows : rows > kBatchRows ? kBatchRows : rows;
}

size_t scratch_bytes(int64_t taps, int64_t quads) {
  const int64_t codes = taps * quads * kCodeQuad;
  return static_cast<size_t>(batch_rows(codes) * codes) * sizeof(int16_t);
}

/// `count` codes, a multiple of 4, as 16-bit numbers.
void widen(const uint8_t* from, int64_t count, int16_t* to) {
  const auto sixteen = [&](int64_t i) {
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_cvtepu8_epi16(codes));
  };
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) sixteen(i);
  if (i == count) return;
  if (count >= 16) return sixteen(count - 16);
  const auto eight = [&](int64_t at) {
    const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + at));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at), _mm_cvtepu8_epi16(codes));
  };
  if (count >= 8) {
    eight(0);
    return eight(count - 8);
  }
  for (; i < count; i += 4) {
    int32_t quad;
    __builtin_memcpy(&quad, from + i, sizeof(quad));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to + i), _mm_cvtepu8_epi16(_mm_cvtsi32_si128(quad)));
  }
}

void widen_rows(const CodeTile& tile, int64_t first, int64_t count, int16_t* to) {
  const int64_t channels = tile.quads * kCodeQuad;
  for (int64_t r = first; r < first + count; ++r)
    for (int64_t tap = 0; tap < tile.taps; ++tap, to += channels)
      widen(tile.rows[tap * tile.row_step + r], channels, to);
}

/// Rows of 16-bit codes: `taps` stretches of `pairs`, each at a pointer of its own. Weights of a tap follow
/// those of the last after `weight_step` bytes.
struct WideRows {
  const int16_t* const* rows;
  int64_t row_step, taps, pairs, weight_step;
};

/// Sums of kCount rows from `first` and 8 kVectors outputs, to rows of 16 sums.
template <int kCount, int kVectors>
[[gnu::noinline]] void multiply(const WideRows& a, int64_t first, const int8_t* weights, const int32_t* bias,
                                int32_t* to) {
  __m256i sum[kCount][kVectors];
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[r][v] = CodeFinishAvx2::load(bias + 8 * v);
  const int16_t* const* taps = a.rows + first;
  for (int64_t tap = 0; tap < a.taps; ++tap, taps += a.row_step, weights += a.weight_step) {
    const int16_t* rows[kCount];
#pragma GCC unroll 6
    for (int r = 0; r < kCount; ++r) rows[r] = taps[r];
    const int8_t* at = weights;
    for (int64_t pair = 0; pair < a.pairs; ++pair, at += kSide * kCodePanel) {
      __m256i w[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v)
        w[v] = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16 * v)));
#pragma GCC unroll 6
      for (int r = 0; r < kCount; ++r) {
        int32_t two;
        __builtin_memcpy(&two, rows[r] + kSide * pair, sizeof(two));
        const __m256i x = _mm256_set1_epi32(two);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v)
          sum[r][v] = _mm256_add_epi32(sum[r][v], _mm256_madd_epi16(w[v], x));
      }
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
      _mm256_store_si256(reinterpret_cast<__m256i*>(to + kCodePanel * r + 8 * v), sum[r][v]);
}

template <int kCount>
void multiply_rows(int64_t count, bool narrow, const WideRows& a, int64_t first, const int8_t* weights,
                   const int32_t* bias, int32_t* to) {
  if (count == kCount)
    return narrow ? multiply<kCount, 1>(a, first, weights, bias, to)
                  : multiply<kCount, 2>(a, first, weights, bias, to);
  if constexpr (kCount > 1) multiply_rows<kCount - 1>(count, narrow, a, first, weights, bias, to);
}

struct Avx2Sums {
  template <class Store>
  static void make(const CodeTile& tile, Store store) {
    const int64_t codes = tile.taps * tile.quads * kCodeQuad;
    const int64_t batch = tile.wide ? kBatchRows : batch_rows(codes);
    auto* widened = reinterpret_cast<int16_t*>(tile.scratch);
    const int16_t* own[kBatchRows];
    for (int64_t r = 0; r < batch; ++r) own[r] = widened + r * codes;
    alignas(32) int32_t sums[kBatchRows * kCodePanel];
    for (int64_t first = 0; first < tile.count; first += batch) {
      const int64_t rows = tile.count - first < batch ? tile.count - first : batch;
      WideRows a{own, 0, 1, codes / kSide, 0};
      if (tile.wide)
        a = {reinterpret_cast<const int16_t* const*>(tile.rows) + first, tile.row_step, tile.taps, tile.pairs,
             tile.quads * kCodeQuad * kCodePanel};
      else
        widen_rows(tile, first, rows, widened);
      const int64_t parts = (rows + kRows - 1) / kRows;
      for (int64_t output = 0; output < tile.outputs; output += kCodePanel) {
        const int64_t left = tile.outputs - output, count = left < kCodePanel ? left : kCodePanel;
        for (int64_t part = 0; part < parts; ++part) {
          const int64_t begin = rows * part / parts, end = rows * (part + 1) / parts;
          multiply_rows<kRows>(end - begin, count <= 8, a, begin, tile.weights + output * codes,
                               tile.bias + output, sums + begin * kCodePanel);
        }
        store(first, rows, output, count, sums);
      }
    }
  }
};

}  // namespace

const CodeLoops code_loops_avx2 = {
    0,          kSide, scratch_bytes, sums_to_codes<Avx2Sums>, sums_to_floats<Avx2Sums>, &activation_avx2,
    kBatchRows, 0,     true};

}  // namespace halftone::cpu
