#include <immintrin.h>

#include "backend/cpu/int8/code_finish_avx2.h"
#include "backend/cpu/int8/code_winograd.h"

// Products by vpmaddwd, as in code_tile_avx2.cpp: of 16-bit numbers anyway, so that the transformed ones cost
// no more each.

namespace halftone::cpu {
namespace {

constexpr int kParts = 16;  // of a tile: 4 x 4
constexpr int kRows = 6;    // of the register tile: 6 x 2 sums, 2 of weights, a pair of codes, a product

int64_t padded_channels(int64_t channels) {
  return (channels + 1) / 2 * 2;
}

/// Scratch: transformed codes [16, tiles, channels], products [16, tiles, 16], sums of rows [4 * tiles, 16].
int64_t code_bytes(int64_t channels) {
  const int64_t bytes = kParts * kWinogradTiles * padded_channels(channels) * int64_t{sizeof(int16_t)};
  return (bytes + 31) / 32 * 32;
}
constexpr int64_t kProductBytes = kParts * kWinogradTiles * kCodePanel * int64_t{sizeof(int32_t)};
constexpr int64_t kSumBytes = 4 * kWinogradTiles * kCodePanel * int64_t{sizeof(int32_t)};

size_t scratch_bytes(int64_t channels) {
  return static_cast<size_t>(code_bytes(channels) + kProductBytes + kSumBytes);
}

/// 16 channels of the 4 x 4 places of a tile: B^T d B, part p to to + p * step.
void transform_codes(const uint8_t* const* places, int64_t channel, int16_t* to, int64_t step) {
  __m256i rows[4][4];
#pragma GCC unroll 4
  for (int y = 0; y < 4; ++y) {
    __m256i d[4];
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x)
      d[x] = _mm256_cvtepu8_epi16(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(places[4 * y + x] + channel)));
    rows[y][0] = _mm256_sub_epi16(d[0], d[2]);
    rows[y][1] = _mm256_add_epi16(d[1], d[2]);
    rows[y][2] = _mm256_sub_epi16(d[2], d[1]);
    rows[y][3] = _mm256_sub_epi16(d[1], d[3]);
  }
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x) {
    const auto store = [&](int y, __m256i sum) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + (4 * y + x) * step), sum);
    };
    store(0, _mm256_sub_epi16(rows[0][x], rows[2][x]));
    store(1, _mm256_add_epi16(rows[1][x], rows[2][x]));
    store(2, _mm256_sub_epi16(rows[2][x], rows[1][x]));
    store(3, _mm256_sub_epi16(rows[1][x], rows[3][x]));
  }
}

/// Products of kCount tiles, `pairs` pairs of channels each, with 16 outputs.
template <int kCount>
[[gnu::noinline]] void multiply(const int16_t* codes, int64_t pairs, const int16_t* weights, int32_t* to) {
  const int32_t* rows[kCount];
  __m256i sum[kCount][2];
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r) {
    rows[r] = reinterpret_cast<const int32_t*>(codes) + r * pairs;
    sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  }
  for (int64_t pair = 0; pair < pairs; ++pair, weights += 2 * kCodePanel) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + 16));
#pragma GCC unroll 6
    for (int r = 0; r < kCount; ++r) {
      int32_t two;
      __builtin_memcpy(&two, rows[r] + pair, sizeof(two));
      const __m256i x = _mm256_set1_epi32(two);
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(low, x));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(high, x));
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to + kCodePanel * r), sum[r][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(to + kCodePanel * r + 8), sum[r][1]);
  }
}

template <int kCount>
void multiply_rows(int64_t count, const int16_t* codes, int64_t pairs, const int16_t* weights, int32_t* to) {
  if (count == kCount) return multiply<kCount>(codes, pairs, weights, to);
  if constexpr (kCount > 1) multiply_rows<kCount - 1>(count, codes, pairs, weights, to);
}

/// A^T m A of 8 outputs, a quarter of it, plus the bias: sums of the 2 x 2 places of a tile.
void transform_products(const int32_t* products, int64_t step, __m256i bias, __m256i (&sums)[4]) {
  __m256i rows[2][4];
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x) {
    __m256i m[4];
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) m[y] = CodeFinishAvx2::load(products + (4 * y + x) * step);
    rows[0][x] = _mm256_add_epi32(_mm256_add_epi32(m[0], m[1]), m[2]);
    rows[1][x] = _mm256_sub_epi32(_mm256_sub_epi32(m[1], m[2]), m[3]);
  }
#pragma GCC unroll 2
  for (int y = 0; y < 2; ++y) {
    const __m256i* m = rows[y];
    const __m256i left = _mm256_add_epi32(_mm256_add_epi32(m[0], m[1]), m[2]);
    const __m256i right = _mm256_sub_epi32(_mm256_sub_epi32(m[1], m[2]), m[3]);
    sums[2 * y] = _mm256_add_epi32(_mm256_srai_epi32(left, 2), bias);
    sums[2 * y + 1] = _mm256_add_epi32(_mm256_srai_epi32(right, 2), bias);
  }
}

void run(const CodeWinograd& work, const CodeFinish& finish) {
  const int64_t channels = padded_channels(work.channels), pairs = channels / 2, tiles = work.tiles;
  auto* codes = reinterpret_cast<int16_t*>(work.scratch);
  auto* products = reinterpret_cast<int32_t*>(work.scratch + code_bytes(work.channels));
  int32_t* sums = products + kProductBytes / sizeof(int32_t);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const uint8_t* const* places = work.places + tile * kParts;
    int16_t* to = codes + tile * channels;
    const int64_t step = tiles * channels, last = work.channels - 16;
    for (int64_t c = 0; c < last; c += 16) transform_codes(places, c, to + c, step);
    transform_codes(places, last, to + last, step);  // some of it for the second time
    if (channels > work.channels)
      for (int part = 0; part < kParts; ++part) to[part * step + work.channels] = 0;
  }
  int64_t rows[4 * kWinogradTiles];
  const int64_t parts = (tiles + kRows - 1) / kRows;
  const int64_t part_weights = channels * kCodePanel;
  for (int64_t output = 0; output < work.outputs; output += kCodePanel) {
    const int16_t* weights = work.weights + output / kCodePanel * kParts * part_weights;
    for (int part = 0; part < kParts; ++part, weights += part_weights)
      for (int64_t i = 0; i < parts; ++i) {
        const int64_t begin = tiles * i / parts, end = tiles * (i + 1) / parts;
        multiply_rows<kRows>(end - begin, codes + (part * tiles + begin) * channels, pairs, weights,
                             products + (part * tiles + begin) * kCodePanel);
      }
    const __m256i low_bias = CodeFinishAvx2::load(work.bias + output);
    const __m256i high_bias = CodeFinishAvx2::load(work.bias + output + 8);
    int64_t count = 0;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int32_t* from = products + tile * kCodePanel;
      __m256i low[4], high[4];
      transform_products(from, tiles * kCodePanel, low_bias, low);
      transform_products(from + 8, tiles * kCodePanel, high_bias, high);
      for (int i = 0; i < 4; ++i) {
        if (work.rows[4 * tile + i] < 0) continue;
        _mm256_store_si256(reinterpret_cast<__m256i*>(sums + count * kCodePanel), low[i]);
        _mm256_store_si256(reinterpret_cast<__m256i*>(sums + count * kCodePanel + 8), high[i]);
        rows[count++] = work.rows[4 * tile + i];
      }
    }
    const int64_t left = work.outputs - output;
    CodeFinishAvx2::to_codes(
        {sums, count, rows, output, left < kCodePanel ? left : kCodePanel,
         work.residual ? work.residual + output : nullptr, work.out_step, work.out + output},
        finish);
  }
}

}  // namespace

const CodeWinogradLoops code_winograd_avx2 = {scratch_bytes, run};

}  // namespace halftone::cpu
