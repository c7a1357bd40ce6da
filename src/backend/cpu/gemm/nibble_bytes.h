#pragma once

// Few rows times weights of 4-bit codes where a look-up takes bytes (PSHUFB, TBL), over a byte vector V, for
// the per-ISA sources only (gemm_float_loops.h says why all of it is in an unnamed namespace).
//
// What a code means is an f32, looked up a byte at a time, for as many codes as a vector has bytes; bytes of
// the same number come side by side by two steps of interleaving. Whole numbers of 8 bits, and all that are
// bf16, have zeros in the two lower bytes, which are not looked up then.
//
// Byte b of a vector holds codes 2 b and 2 b + 1. Interleaving works within 16 bytes, so lane i of vector f
// of the even (odd) codes is byte 4 f + i % 4 + 16 (i / 4): activations are arranged in that order.

#include "backend/cpu/gemm/gemm_few_rows_loops.h"
#include "backend/cpu/gemm/nibble_rows.h"

namespace halftone::cpu {
namespace {

constexpr int kVectors = 4;  ///< of numbers that a vector of bytes becomes

template <class V>
void arrange_for_bytes(const float* a, int64_t count, float* to) {
  for (int64_t first = 0; first < count; first += 2 * V::kBytes)
    for (int odd = 0; odd < 2; ++odd)
      for (int f = 0; f < kVectors; ++f)
        for (int i = 0; i < V::kLanes; ++i, ++to) *to = a[first + 2 * (4 * f + i % 4 + 16 * (i / 4)) + odd];
}

/// What the 16 codes mean, but for the scale and a zero point of the group's own, byte by byte: all four, or
/// the upper two of numbers whose others are zeros.
template <class V, bool kAllBytes>
class ByteTables {
 public:
  explicit ByteTables(const float (&values)[16]) {
    for (int byte = kFirst; byte < 4; ++byte) {
      uint8_t of_codes[16];
      for (int code = 0; code < 16; ++code)
        of_codes[code] = static_cast<uint8_t>(__builtin_bit_cast(uint32_t, values[code]) >> (8 * byte));
      tables_[byte] = V::table(of_codes);
    }
  }
  /// The numbers of a vector of codes.
  [[gnu::always_inline]] void numbers(typename V::Bytes codes, typename V::Float (&to)[kVectors]) const {
    const auto byte = [&](int at) { return V::look_up(tables_[at], codes); };
    const auto high2 = byte(2), high3 = byte(3);
    const auto high_first = V::zip_first_8(high2, high3), high_second = V::zip_second_8(high2, high3);
    auto low_first = V::zero(), low_second = V::zero();
    if constexpr (kAllBytes) {
      const auto low0 = byte(0), low1 = byte(1);
      low_first = V::zip_first_8(low0, low1);
      low_second = V::zip_second_8(low0, low1);
    }
    to[0] = V::as_floats(V::zip_first_16(low_first, high_first));
    to[1] = V::as_floats(V::zip_second_16(low_first, high_first));
    to[2] = V::as_floats(V::zip_first_16(low_second, high_second));
    to[3] = V::as_floats(V::zip_second_16(low_second, high_second));
  }

 private:
  static constexpr int kFirst = kAllBytes ? 0 : 2;
  typename V::Bytes tables_[4];
};

/// A row is read in spans of codes that share a scale, or, in one vector, of halves that have one each.
struct Spans {
  int64_t vectors;   ///< of a span
  int64_t of_scale;  ///< spans before the next scale
  int64_t scales;    ///< of a span: 1 or 2
};

template <class V>
Spans spans_of(const WeightRows& w) {
  constexpr int64_t kCodes = 2 * V::kBytes;
  if (w.group < kCodes) return {1, 1, kCodes / w.group};
  const int64_t codes = w.group >= w.k || w.group % kNibbleBlock == 0 ? kNibbleBlock : w.group;
  return {codes / kCodes, w.group / codes, 1};
}

/// dot_rows() of such weights.
template <class V, bool kAllBytes, bool kZeros, int kRows, int kOutputs>
[[gnu::noinline]] void byte_dots(const WeightRows& w, const ByteTables<V, kAllBytes>& tables, const float* a,
                                 int64_t m, const FloatOutput& out, int64_t m0, int64_t n0, int64_t step,
                                 int64_t end) {
  using Float = typename V::Float;
  constexpr int kParts = V::kParts;
  const Spans spans = spans_of<V>(w);
  const std::byte* codes[kOutputs];
  int64_t scale_at[kOutputs];
  for (int i = 0; i < kOutputs; ++i) {
    const int64_t n = n0 + i * step < end ? n0 + i * step : end - 1;
    codes[i] = w.data + n * w.row_bytes;
    scale_at[i] = n * w.scale_step;
  }
  const float* x[kRows];
  for (int r = 0; r < kRows; ++r) x[r] = a + (m0 + r < m ? m0 + r : m - 1) * w.k;
  Float sum[kRows][kOutputs];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int i = 0; i < kOutputs; ++i) sum[r][i] = V::broadcast(0.0f);

  int64_t group = 0, left = spans.of_scale;
  const int64_t span_codes = spans.vectors * 2 * V::kBytes;
  for (int64_t k = 0; k < w.k; k += span_codes) {
#pragma GCC unroll 4
    for (int i = 0; i < kOutputs; ++i) {
      const int64_t first = scale_at[i] + group, last = first + spans.scales - 1;
      [[maybe_unused]] Float zeros;
      if constexpr (kZeros)
        zeros = V::halves(static_cast<float>(w.zeros[first]), static_cast<float>(w.zeros[last]));
      Float part[kRows][kParts];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
        for (int p = 0; p < kParts; ++p) part[r][p] = V::broadcast(0.0f);
      for (int64_t v = 0; v < spans.vectors; ++v) {
        const auto packed = V::load(codes[i]);
        __builtin_prefetch(codes[i] + 1024);
        codes[i] += V::kBytes;
        const int64_t offset = k + v * 2 * V::kBytes;
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; ++odd) {
          Float numbers[kVectors];
          tables.numbers(odd == 0 ? V::low_nibbles(packed) : V::high_nibbles(packed), numbers);
#pragma GCC unroll 4
          for (int f = 0; f < kVectors; ++f) {
            if constexpr (kZeros) numbers[f] = V::subtract(numbers[f], zeros);
#pragma GCC unroll 4
            for (int r = 0; r < kRows; ++r)
              part[r][f % kParts] =
                  V::fma(numbers[f], V::load_floats(x[r] + offset + (kVectors * odd + f) * V::kLanes),
                         part[r][f % kParts]);
          }
        }
      }
      const Float scale = V::halves(load_scale<V>(w.scale_kind, w.scales, first),
                                    load_scale<V>(w.scale_kind, w.scales, last));
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int p = 1; p < kParts; ++p) part[r][0] = V::add(part[r][0], part[r][p]);
        sum[r][i] = V::fma(part[r][0], scale, sum[r][i]);
      }
    }
    if (--left == 0) {
      left = spans.of_scale;
      group += spans.scales;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int i = 0; i < kOutputs; ++i)
      if (m0 + r < m && n0 + i * step < end) out.y[(m0 + r) * w.n + n0 + i * step] = V::sum(sum[r][i]);
}

template <class V, bool kAllBytes, bool kZeros, int kRows>
void byte_rows_by(const WeightRows& w, const float (&values)[16], const float* a, int64_t m,
                  const FloatOutput& out, int64_t begin, int64_t end) {
  constexpr int kOutputs = V::kOutputs[kRows / 2];
  const ByteTables<V, kAllBytes> tables(values);
  const int64_t step = (end - begin + kOutputs - 1) / kOutputs;
  for (int64_t n = begin; n < begin + step; ++n)
    for (int64_t m0 = 0; m0 < m; m0 += kRows)
      byte_dots<V, kAllBytes, kZeros, kRows, kOutputs>(w, tables, a, m, out, m0, n, step, end);
}

template <class V, bool kAllBytes, bool kZeros>
void byte_rows(const WeightRows& w, const float (&values)[16], const float* a, int64_t m,
               const FloatOutput& out, int64_t begin, int64_t end) {
  if (m == 1)
    byte_rows_by<V, kAllBytes, kZeros, 1>(w, values, a, m, out, begin, end);
  else if (m == 2)
    byte_rows_by<V, kAllBytes, kZeros, 2>(w, values, a, m, out, begin, end);
  else
    byte_rows_by<V, kAllBytes, kZeros, 4>(w, values, a, m, out, begin, end);
  finish(out, m, w.n, begin, end);
}

template <class V>
void few_byte_rows(const WeightRows& w, const float* a, int64_t m, const FloatOutput& out, int64_t begin,
                   int64_t end) {
  float values[16];
  bool all_bytes = false;
  const bool zeros = w.kind == RowKind::integers && w.zeros;
  for (int code = 0; code < 16; ++code) {
    values[code] =
        w.kind == RowKind::table ? w.table[code] : static_cast<float>(code - (zeros ? 0 : w.shared_zero));
    all_bytes = all_bytes || (__builtin_bit_cast(uint32_t, values[code]) & 0xffff) != 0;
  }
  if (zeros)
    byte_rows<V, false, true>(w, values, a, m, out, begin, end);
  else if (all_bytes)
    byte_rows<V, true, false>(w, values, a, m, out, begin, end);
  else
    byte_rows<V, false, false>(w, values, a, m, out, begin, end);
}

}  // namespace
}  // namespace halftone::cpu
