#pragma once

// For *_amx.cpp sources only (see code_tile_loops.h).

#include <cstdint>
#include <immintrin.h>

namespace halftone::cpu {
namespace {

/// A vector of kBytes of which the first `count` are copied, the others 0.
template <int kBytes>
struct Part;
template <>
struct Part<16> {
  __mmask16 mask;
  explicit Part(int64_t count) : mask(static_cast<__mmask16>((1u << count) - 1)) {}
  void copy(const uint8_t* from, uint8_t* to) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_maskz_loadu_epi8(mask, from));
  }
};
template <>
struct Part<32> {
  __mmask32 mask;
  explicit Part(int64_t count) : mask(static_cast<__mmask32>((uint64_t{1} << count) - 1)) {}
  void copy(const uint8_t* from, uint8_t* to) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_maskz_loadu_epi8(mask, from));
  }
};
template <>
struct Part<64> {
  __mmask64 mask;
  explicit Part(int64_t count) : mask(count == 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1) {}
  void copy(const uint8_t* from, uint8_t* to) const {
    _mm512_storeu_si512(to, _mm512_maskz_loadu_epi8(mask, from));
  }
};

/// `count` rows under `taps` taps: `bytes` of each tap one behind the other, then zeros to the end of a row.
/// Writes up to 64 bytes more.
template <int kBytes>
void copy_rows(const uint8_t* const* rows, int64_t row_step, int64_t taps, int64_t bytes, int64_t count,
               int64_t step, uint8_t* copies) {
  const int64_t last = (bytes - 1) / kBytes * kBytes;
  const Part<kBytes> part(bytes - last);
  const bool open_end = taps * bytes % 64 != 0 && (taps > 1 || kBytes < 64);
  for (int64_t r = 0; r < count; ++r, copies += step) {
    uint8_t* to = copies;
    for (int64_t tap = 0; tap < taps; ++tap, to += bytes) {
      const uint8_t* from = rows[tap * row_step + r];
      for (int64_t i = 0; i < last; i += kBytes) Part<kBytes>(kBytes).copy(from + i, to + i);
      part.copy(from + last, to + last);
    }
    if (open_end) _mm512_storeu_si512(to, _mm512_setzero_si512());
  }
}

void copy_rows(const uint8_t* const* rows, int64_t row_step, int64_t taps, int64_t bytes, int64_t count,
               int64_t step, uint8_t* copies) {
  if (bytes <= 16) return copy_rows<16>(rows, row_step, taps, bytes, count, step, copies);
  if (bytes <= 32) return copy_rows<32>(rows, row_step, taps, bytes, count, step, copies);
  copy_rows<64>(rows, row_step, taps, bytes, count, step, copies);
}

}  // namespace
}  // namespace halftone::cpu
