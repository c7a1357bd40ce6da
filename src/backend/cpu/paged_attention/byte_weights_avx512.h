#pragma once

// Sums of int8 values with weights in bytes: rows go by four, whose codes of one column stand in the four
// bytes of a vpdpbusd, so that no code is widened; for per-ISA sources only (simd.h).

#include "backend/cpu/byte_products_avx512.h"
#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/simd_math.h"

namespace halftone::cpu {
namespace {

#if defined(__AVX512F__)

/// Weights as scale * (high + low / 256). low is 0 but where `fine`.
template <int kQueries>
struct ByteWeights {
  alignas(64) uint8_t high[kQueries][AttentionLoops::kMostTokens];
  alignas(64) uint8_t low[kQueries][AttentionLoops::kMostTokens];
  float scales[kQueries];
  bool any_low = false;

  /// Of query q, `count` numbers of at least 0, a multiple of 16. Where one is not finite the scale is NaN.
  void set(int q, const float* from, int64_t count, bool fine) {
    Float top = Simd::zero(), poison = Simd::zero();
    for (int64_t i = 0; i < count; i += Simd::kWidth) {
      const Float x = Simd::load(from + i);
      top = Simd::max(top, x);
      poison = Simd::fma(x, Simd::zero(), poison);
    }
    const float largest = Simd::highest(top), nan = Simd::sum(poison);
    const bool any = largest > 0x1p-100f && nan == 0;
    const Float inverse = Simd::broadcast(any ? (fine ? 255.0f * 256 : 255.0f) / largest : 0.0f);
    for (int64_t i = 0; i < count; i += Simd::kWidth) {
      const Float x = any ? Simd::mul(Simd::load(from + i), inverse) : Simd::zero();
      const __m512i code = _mm512_cvtps_epi32(x);
      const __m512i upper = fine ? _mm512_srli_epi32(code, 8) : code;
      store_bytes(high[q] + i, _mm512_cvtusepi32_epi8(upper));
      store_bytes(low[q] + i, fine ? _mm512_cvtepi32_epi8(code) : _mm_setzero_si128());
    }
    scales[q] = (any ? largest / 255 : 0.0f) + nan;
    any_low |= fine;
  }

 private:
  static void store_bytes(uint8_t* to, __m128i bytes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
  }
};

/// The codes of four rows, column by column: vector a has those of columns 4a to 4a + 3 of each 16.
struct FourRows {
  __m512i columns[4];

  FourRows(__m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i low[2] = {_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d)};
    const __m512i high[2] = {_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d)};
    columns[0] = _mm512_unpacklo_epi16(low[0], low[1]);
    columns[1] = _mm512_unpackhi_epi16(low[0], low[1]);
    columns[2] = _mm512_unpacklo_epi16(high[0], high[1]);
    columns[3] = _mm512_unpackhi_epi16(high[0], high[1]);
  }
};

/// Sums that stand as the columns of FourRows do, in the order of columns.
inline void put_in_order(__m512i (&sums)[4]) {
  const __m512i a = _mm512_shuffle_i32x4(sums[0], sums[1], 0x44);
  const __m512i b = _mm512_shuffle_i32x4(sums[2], sums[3], 0x44);
  const __m512i c = _mm512_shuffle_i32x4(sums[0], sums[1], 0xee);
  const __m512i d = _mm512_shuffle_i32x4(sums[2], sums[3], 0xee);
  sums[0] = _mm512_shuffle_i32x4(a, b, 0x88);
  sums[1] = _mm512_shuffle_i32x4(a, b, 0xdd);
  sums[2] = _mm512_shuffle_i32x4(c, d, 0x88);
  sums[3] = _mm512_shuffle_i32x4(c, d, 0xdd);
}

/// sum[q] = sum[q] * shrink[q] + scales[q] * sum over t of weights[q][t] * values[t], over kColumns columns
/// from i on; rows go by four, from a multiple of four on.
template <int kQueries, int kColumns, class Rows>
[[gnu::always_inline]] inline void add_byte_columns(
    float* sum, const float* shrink, const float* scales,
    const uint8_t (&weights)[kQueries][AttentionLoops::kMostTokens], Rows& values, int64_t begin, int64_t end,
    int64_t dim, int64_t i) {
  constexpr __mmask64 kThere = kColumns == 64 ? ~__mmask64{0} : (__mmask64{1} << (kColumns % 64)) - 1;
  __m512i sums[kQueries][4];
  for (auto& row : sums)
    for (auto& one : row) one = _mm512_setzero_si512();
  const auto load = [&](int64_t row) { return _mm512_maskz_loadu_epi8(kThere, values.row(row) + i); };
  const auto add_four = [&](int64_t t, const FourRows& rows) {
    values.fetch(4 * kColumns);
    for (int q = 0; q < kQueries; ++q) {
      int four;
      __builtin_memcpy(&four, weights[q] + t, sizeof four);
      const __m512i weight = _mm512_set1_epi32(four);
      for (int a = 0; a < 4; ++a) sums[q][a] = add_byte_products(sums[q][a], weight, rows.columns[a]);
    }
  };
  int64_t t = begin;
  for (; t + 4 <= end; t += 4) add_four(t, {load(t), load(t + 1), load(t + 2), load(t + 3)});
  if (t < end) {  // beyond the last its weight is 0
    const auto last = [&](int64_t row) { return load(row < end ? row : end - 1); };
    add_four(t, {last(t), last(t + 1), last(t + 2), last(t + 3)});
  }
  for (int q = 0; q < kQueries; ++q) {
    put_in_order(sums[q]);
    for (int a = 0; a < kColumns / Simd::kWidth; ++a) {
      float* to = sum + q * dim + i + a * Simd::kWidth;
      const Float before = Simd::mul(Simd::load(to), Simd::broadcast(shrink[q]));
      Simd::store(to, Simd::fma(_mm512_cvtepi32_ps(sums[q][a]), Simd::broadcast(scales[q]), before));
    }
  }
}

template <int kQueries, class Rows>
void add_bytes(float* sum, const float* shrink, const float* scales,
               const uint8_t (&weights)[kQueries][AttentionLoops::kMostTokens], Rows& values, int64_t begin,
               int64_t end, int64_t dim) {
  const int64_t first = begin / 4 * 4;
  int64_t i = 0;
  for (; i + 64 <= dim; i += 64)
    add_byte_columns<kQueries, 64>(sum, shrink, scales, weights, values, first, end, dim, i);
  if (i < dim) add_byte_columns<kQueries, 32>(sum, shrink, scales, weights, values, first, end, dim, i);
}

/// Rows of which nothing more is fetched.
template <class Rows>
struct FetchedRows {
  const Rows& rows;
  const std::byte* row(int64_t r) const { return rows.row(r); }
  void fetch(int64_t) const {}
};

/// `weights` are already times the scales of values, and 0 for all rows of [0, stride) beside [begin, end).
/// One byte of those of query q is enough unless fine[q].
template <int kQueries, class Rows>
void add_codes(float* sum, const float* shrink, const float* weights, int64_t stride, const bool* fine,
               Rows& values, int64_t begin, int64_t end, int64_t dim) {
  ByteWeights<kQueries> bytes;
  for (int q = 0; q < kQueries; ++q) bytes.set(q, weights + q * stride, stride, fine[q]);
  add_bytes<kQueries>(sum, shrink, bytes.scales, bytes.high, values, begin, end, dim);
  if (!bytes.any_low) return;
  FetchedRows<Rows> again{values};
  float ones[kQueries];
  for (int q = 0; q < kQueries; ++q) {
    bytes.scales[q] /= 256;
    ones[q] = 1;
  }
  add_bytes<kQueries>(sum, ones, bytes.scales, bytes.low, again, begin, end, dim);
}

#endif

}  // namespace
}  // namespace halftone::cpu
