#include <immintrin.h>

#include "backend/cpu/gemm/gemm_bf16_loops.h"

namespace halftone::cpu {
namespace {

/// Sums of eight outputs and 16 or 32 rows in registers.
struct DotProducts {
  template <int kParts, int kRowParts, int kN, int kM>
  static void run(const std::byte* weights, const std::byte* rows, int64_t steps, float* sums, int64_t down,
                  bool first) {
    const int64_t n_step = steps * kParts * kBf16TileBytes;
    for (int n = 0; n < kN * kBf16Side; n += kOutputs) {
      const int64_t tile = n / kBf16Side, row = n % kBf16Side;
      some<kParts, kRowParts, kM>(weights + tile * n_step + row * 64, rows, steps,
                                  sums + tile * down + row * kBf16Side, first);
    }
  }

 private:
  static constexpr int kOutputs = 8;

  template <int kParts, int kRowParts, int kM>
  static void some(const std::byte* weights, const std::byte* rows, int64_t steps, float* sums, bool first) {
    const int64_t m_step = steps * kRowParts * kBf16TileBytes;
    __m512 sum[kOutputs][kM];
#pragma GCC unroll 8
    for (int n = 0; n < kOutputs; ++n)
#pragma GCC unroll 2
      for (int m = 0; m < kM; ++m)
        sum[n][m] = first ? _mm512_setzero_ps() : _mm512_load_ps(sums + m * kTileFloats + n * kBf16Side);
    for (int64_t s = 0; s < steps;
         ++s, weights += kParts * kBf16TileBytes, rows += kRowParts * kBf16TileBytes)
      for (int i = 0; i < kParts; ++i)
        for (int j = 0; j < kRowParts && i + j < kMostParts; ++j)
          for (int pair = 0; pair < 16; ++pair) {
            const std::byte* from = rows + j * kBf16TileBytes + pair * 64;
            __m512bh x[kM];
#pragma GCC unroll 2
            for (int m = 0; m < kM; ++m) x[m] = (__m512bh)_mm512_load_si512(from + m * m_step);
            const std::byte* weight = weights + i * kBf16TileBytes + pair * 4;
#pragma GCC unroll 8
            for (int n = 0; n < kOutputs; ++n) {
              int32_t bits;
              __builtin_memcpy(&bits, weight + n * 64, 4);
              const auto w = (__m512bh)_mm512_set1_epi32(bits);
#pragma GCC unroll 2
              for (int m = 0; m < kM; ++m) sum[n][m] = _mm512_dpbf16_ps(sum[n][m], w, x[m]);
            }
          }
#pragma GCC unroll 8
    for (int n = 0; n < kOutputs; ++n)
#pragma GCC unroll 2
      for (int m = 0; m < kM; ++m) _mm512_store_ps(sums + m * kTileFloats + n * kBf16Side, sum[n][m]);
  }
};

}  // namespace

const Bf16GemmLoops bf16_gemm_avx512bf16 = kBf16GemmLoops<DotProducts>;

}  // namespace halftone::cpu
