#pragma once

// Winograd's transform of codes on AVX2, for code_winograd_*.cpp only (see code_tile_loops.h), over Products:
// how products of pairs of 16-bit numbers are summed, first() and add().

#include <immintrin.h>

#include "backend/cpu/int8/code_winograd_2x2_avx2.h"
#include "backend/cpu/int8/code_winograd_4x4_avx2.h"
#include "backend/cpu/int8/code_winograd_ends_avx2.h"

namespace halftone::cpu {
namespace {

constexpr int kRows = 6;  // of the register tile: 6 x 2 sums, 2 of weights, a pair of codes, a product

template <class Transform>
size_t scratch_bytes(int64_t channels) {
  return static_cast<size_t>(layout_of<Transform>(Transform::kTiles, channels).end);
}

/// 16 channels of the places of a tile: B^T d B, part p to to + p * step.
template <class Transform>
void transform_codes(const uint8_t* const* places, int64_t channel, int16_t* to, int64_t step) {
  constexpr int kIn = Transform::kIn;
  __m256i rows[kIn][kIn];
  for (int y = 0; y < kIn; ++y) {
    __m256i d[kIn];
#pragma GCC unroll 6
    for (int x = 0; x < kIn; ++x)
      d[x] = _mm256_cvtepu8_epi16(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(places[kIn * y + x] + channel)));
    Transform::in(d, rows[y]);
  }
  for (int x = 0; x < kIn; ++x) {
    __m256i d[kIn], parts[kIn];
#pragma GCC unroll 6
    for (int y = 0; y < kIn; ++y) d[y] = rows[y][x];
    Transform::in(d, parts);
#pragma GCC unroll 6
    for (int y = 0; y < kIn; ++y)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + (kIn * y + x) * step), parts[y]);
  }
}

/// Products of kCount tiles, `pairs` pairs of channels each, with 16 outputs.
template <class Products, int kCount>
[[gnu::noinline]] void multiply(const int16_t* codes, int64_t pairs, const int16_t* weights, int32_t* to) {
  const int32_t* rows[kCount];
  __m256i sum[kCount][2];
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r) rows[r] = reinterpret_cast<const int32_t*>(codes) + r * pairs;
  const auto product = [&](int64_t pair, auto add) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + 16));
#pragma GCC unroll 6
    for (int r = 0; r < kCount; ++r) {
      int32_t two;
      __builtin_memcpy(&two, rows[r] + pair, sizeof(two));
      const __m256i x = _mm256_set1_epi32(two);
      add(sum[r][0], low, x);
      add(sum[r][1], high, x);
    }
    weights += 2 * kCodePanel;
  };
  product(0, [](__m256i& to_sum, __m256i w, __m256i x) { to_sum = Products::first(w, x); });
  for (int64_t pair = 1; pair < pairs; ++pair)
    product(pair, [](__m256i& to_sum, __m256i w, __m256i x) { to_sum = Products::add(to_sum, w, x); });
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to + kCodePanel * r), sum[r][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(to + kCodePanel * r + 8), sum[r][1]);
  }
}

template <class Products, int kCount>
void multiply_rows(int64_t count, const int16_t* codes, int64_t pairs, const int16_t* weights, int32_t* to) {
  if (count == kCount) return multiply<Products, kCount>(codes, pairs, weights, to);
  if constexpr (kCount > 1) multiply_rows<Products, kCount - 1>(count, codes, pairs, weights, to);
}

template <class Transform>
void transform_all_codes(const CodeWinograd& work, const Layout& layout) {
  constexpr int kParts = Transform::kIn * Transform::kIn;
  const int64_t channels = padded_channels(work.channels);
  const int64_t step = layout.code_step / int64_t{sizeof(int16_t)}, last = work.channels - 16;
  for (int64_t tile = 0; tile < work.tiles; ++tile) {
    const uint8_t* const* places = work.places + tile * kParts;
    int16_t* to = reinterpret_cast<int16_t*>(work.scratch) + tile * channels;
    for (int64_t c = 0; c < last; c += 16) transform_codes<Transform>(places, c, to + c, step);
    const int64_t rest =
        last < 0 ? 0 : last;  // some of it for the second time, or what the next tile overwrites
    transform_codes<Transform>(places, rest, to + rest, step);
    if (channels > work.channels)
      for (int part = 0; part < kParts; ++part) to[part * step + work.channels] = 0;
  }
}

template <class Transform, class Products>
void run(const CodeWinograd& work, const CodeFinish& finish) {
  constexpr int kParts = Transform::kIn * Transform::kIn, kOuts = Transform::kOut * Transform::kOut;
  const Layout layout = layout_of<Transform>(work.tiles, work.channels);
  const int64_t channels = padded_channels(work.channels), pairs = channels / 2, tiles = work.tiles;
  transform_all_codes<Transform>(work, layout);
  int64_t rows[kOuts * Transform::kTiles];
  const int64_t runs = (tiles + kRows - 1) / kRows, part_weights = channels * kCodePanel;
  for (int64_t output = 0; output < work.outputs; output += kCodePanel) {
    const int16_t* weights = work.weights + output / kCodePanel * kParts * part_weights;
    for (int64_t part = 0; part < kParts; ++part, weights += part_weights) {
      const auto* codes = reinterpret_cast<const int16_t*>(work.scratch + part * layout.code_step);
      auto* products =
          reinterpret_cast<int32_t*>(work.scratch + layout.products + part * layout.product_step);
      for (int64_t i = 0; i < runs; ++i) {
        const int64_t begin = tiles * i / runs, end = tiles * (i + 1) / runs;
        multiply_rows<Products, kRows>(end - begin, codes + begin * channels, pairs, weights,
                                       products + begin * kCodePanel);
      }
    }
    const int64_t count = sum_rows<Transform>(work, layout, output, rows);
    auto* sums = reinterpret_cast<int32_t*>(work.scratch + layout.sums);
    if (!work.out) {
      store_floats(work, finish, sums, count, rows, output);
      continue;
    }
    const int64_t left = work.outputs - output;
    CodeFinishAvx2::to_codes(
        {sums, count, rows, output, left < kCodePanel ? left : kCodePanel,
         work.residual ? work.residual + output : nullptr, work.out_step, work.out + output},
        finish);
  }
}

template <class Transform, class Products>
constexpr CodeWinogradLoops kLoops = {Transform::kOut,    Transform::kTiles,        Transform::kReach,
                                      Transform::kWindow, scratch_bytes<Transform>, run<Transform, Products>};

}  // namespace
}  // namespace halftone::cpu
