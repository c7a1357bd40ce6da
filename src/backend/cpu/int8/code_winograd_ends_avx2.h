#pragma once

// From products to outputs, for code_winograd_loops_avx2.h only (see code_tile_loops.h).

#include "backend/cpu/int8/code_finish_avx2.h"
#include "backend/cpu/int8/code_winograd.h"

namespace halftone::cpu {
namespace {

/// A step of so many bytes at least that does not put all parts into a few sets of the nearest cache.
int64_t odd_lines(int64_t bytes) {
  constexpr int64_t kLine = 64;
  return ((bytes + kLine - 1) / kLine | 1) * kLine;
}

int64_t padded_channels(int64_t channels) {
  return (channels + 1) / 2 * 2;
}

/// Where what is worked on lies in the scratch, in bytes: transformed codes [parts][tiles, channels],
/// products [parts][tiles, 16], sums of rows [out * out * tiles, 16].
struct Layout {
  int64_t code_step, product_step;  ///< from part to part
  int64_t products, sums, end;
};
template <class Transform>
Layout layout_of(int64_t tiles, int64_t channels) {
  constexpr int64_t kParts = Transform::kIn * Transform::kIn, kOuts = Transform::kOut * Transform::kOut;
  constexpr int64_t kRowBytes = kCodePanel * int64_t{sizeof(int32_t)};
  Layout layout{};
  // 16 channels are written at a time, of the last tile too.
  layout.code_step = odd_lines((tiles * padded_channels(channels) + 16) * int64_t{sizeof(int16_t)});
  layout.product_step = odd_lines(tiles * kRowBytes);
  layout.products = kParts * layout.code_step;
  layout.sums = layout.products + kParts * layout.product_step;
  layout.end = layout.sums + kOuts * tiles * kRowBytes;
  return layout;
}

/// A^T m A of 8 outputs, made whole, plus the bias: sums of the places of a tile, row by row, a panel apart.
template <class Transform>
void transform_products(const int32_t* products, int64_t step, __m256i bias, int32_t* sums) {
  constexpr int kIn = Transform::kIn, kOut = Transform::kOut;
  __m256i rows[kOut][kIn];
#pragma GCC unroll 6
  for (int x = 0; x < kIn; ++x) {
    __m256i m[kIn], column[kOut];
#pragma GCC unroll 6
    for (int y = 0; y < kIn; ++y) m[y] = CodeFinishAvx2::load(products + (kIn * y + x) * step);
    Transform::out(m, column);
#pragma GCC unroll 4
    for (int y = 0; y < kOut; ++y) rows[y][x] = column[y];
  }
#pragma GCC unroll 4
  for (int y = 0; y < kOut; ++y) {
    __m256i row[kOut];
    Transform::out(rows[y], row);
#pragma GCC unroll 4
    for (int x = 0; x < kOut; ++x)
      _mm256_store_si256(reinterpret_cast<__m256i*>(sums + (kOut * y + x) * kCodePanel),
                         _mm256_add_epi32(Transform::whole(row[x], y, x), bias));
  }
}

/// Sums of a panel of outputs, those of rows that are there, one behind the other; their count.
template <class Transform>
int64_t sum_rows(const CodeWinograd& work, const Layout& layout, int64_t output, int64_t* rows) {
  constexpr int kOuts = Transform::kOut * Transform::kOut;
  const auto* products = reinterpret_cast<const int32_t*>(work.scratch + layout.products);
  auto* sums = reinterpret_cast<int32_t*>(work.scratch + layout.sums);
  const int64_t step = layout.product_step / int64_t{sizeof(int32_t)};
  const __m256i low_bias = CodeFinishAvx2::load(work.bias + output);
  const __m256i high_bias = CodeFinishAvx2::load(work.bias + output + 8);
  int64_t count = 0;
  for (int64_t tile = 0; tile < work.tiles; ++tile) {
    const int32_t* from = products + tile * kCodePanel;
    int32_t* to = sums + count * kCodePanel;
    transform_products<Transform>(from, step, low_bias, to);
    transform_products<Transform>(from + 8, step, high_bias, to + 8);
    const int64_t* places = work.rows + kOuts * tile;
    if (places[kOuts - 1] >= 0) {  // then the others are, too
      __builtin_memcpy(rows + count, places, kOuts * sizeof(int64_t));
      count += kOuts;
      continue;
    }
    for (int i = 0; i < kOuts; ++i) {
      if (places[i] < 0) continue;
      const int32_t* sum = to + i * kCodePanel;
      int32_t* place = sums + count * kCodePanel;
      _mm256_store_si256(reinterpret_cast<__m256i*>(place), CodeFinishAvx2::load(sum));
      _mm256_store_si256(reinterpret_cast<__m256i*>(place + 8), CodeFinishAvx2::load(sum + 8));
      rows[count++] = places[i];
    }
  }
  return count;
}

/// Rows of 16 sums to floats, finished while they lie one behind the other.
void store_floats(const CodeWinograd& work, const CodeFinish& finish, int32_t* sums, int64_t count,
                  const int64_t* rows, int64_t output) {
  auto* made = reinterpret_cast<float*>(sums);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t* sum = sums + i * kCodePanel;
    __m256i low = CodeFinishAvx2::load(sum), high = CodeFinishAvx2::load(sum + 8);
    if (work.residual) {
      const int64_t left = work.outputs - output;
      CodeFinishAvx2::join(low, high, finish, output, work.residual + rows[i] * work.out_step + output,
                           left < kCodePanel ? left : kCodePanel);
    }
    CodeFinishAvx2::store_floats(low, high, finish, output, made + i * kCodePanel, kCodePanel);
  }
  work.finish_floats(work.context, made, count * kCodePanel);
  const int64_t left = work.outputs - output, step = work.out_step;
  float* to = work.floats + output;
  if (left >= kCodePanel) {
    for (int64_t i = 0; i < count; ++i)
      __builtin_memcpy(to + rows[i] * step, made + i * kCodePanel, kCodePanel * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    __builtin_memcpy(to + rows[i] * step, made + i * kCodePanel, static_cast<size_t>(left) * sizeof(float));
}

}  // namespace
}  // namespace halftone::cpu
