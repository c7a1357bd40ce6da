#include <immintrin.h>

#include "backend/cpu/int8/code_finish_avx2.h"
#include "backend/cpu/int8/code_winograd.h"
#include "backend/cpu/int8/code_winograd_2x2_avx2.h"
#include "backend/cpu/int8/code_winograd_4x4_avx2.h"

// Products by vpmaddwd, as in code_tile_avx2.cpp: of 16-bit numbers anyway, so that the transformed ones cost
// no more each.

namespace halftone::cpu {
namespace {

constexpr int kRows = 6;  // of the register tile: 6 x 2 sums, 2 of weights, a pair of codes, a product

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
template <int kCount>
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
      add(sum[r][0], _mm256_madd_epi16(low, x));
      add(sum[r][1], _mm256_madd_epi16(high, x));
    }
    weights += 2 * kCodePanel;
  };
  product(0, [](__m256i& to_sum, __m256i x) { to_sum = x; });
  for (int64_t pair = 1; pair < pairs; ++pair)
    product(pair, [](__m256i& to_sum, __m256i x) { to_sum = _mm256_add_epi32(to_sum, x); });
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

template <class Transform>
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
        multiply_rows<kRows>(end - begin, codes + begin * channels, pairs, weights,
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

template <class Transform>
constexpr CodeWinogradLoops kLoops = {Transform::kOut,    Transform::kTiles,        Transform::kReach,
                                      Transform::kWindow, scratch_bytes<Transform>, run<Transform>};

}  // namespace

const CodeWinogradLoops code_winograd_2x2_avx2 = kLoops<WinogradOfTwo>;
const CodeWinogradLoops code_winograd_4x4_avx2 = kLoops<WinogradOfFour>;

}  // namespace halftone::cpu
