#pragma once

// Queries as codes of one byte, for products with int8 keys in KvOrder::fours; for per-ISA sources only
// (simd.h).

#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/simd.h"

namespace halftone::cpu {
namespace {

#if defined(__AVX512F__)

/// Where a number is not finite the scale is NaN.
inline void encode_queries(const QueryTile& tile) {
  const int64_t dim = tile.padded_dim;
  for (int64_t q = 0; q < tile.count; ++q) {
    const float* query = tile.queries + q * dim;
    int8_t* codes = reinterpret_cast<int8_t*>(tile.codes + q * dim);
    Float top = Simd::zero(), poison = Simd::zero();
    for (int64_t i = 0; i < dim; i += Simd::kWidth) {
      top = Simd::max(top, Simd::abs(Simd::load(query + i)));
      poison = Simd::fma(Simd::load(query + i), Simd::zero(), poison);
    }
    const float largest = Simd::highest(top), nan = Simd::sum(poison);
    const bool any = largest > 0x1p-100f && nan == 0;
    const Float inverse = Simd::broadcast(any ? 127 / largest : 0.0f);
    __m512i sum = _mm512_setzero_si512();
    for (int64_t i = 0; i < dim; i += Simd::kWidth) {
      const Float x = any ? Simd::mul(Simd::load(query + i), inverse) : Simd::zero();
      const __m512i code = _mm512_cvtps_epi32(x);
      sum = _mm512_add_epi32(sum, code);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i), _mm512_cvtsepi32_epi8(code));
    }
    tile.code_sums[q] = _mm512_reduce_add_epi32(sum);
    tile.code_scales[q] = (any ? largest / 127 : 0.0f) + nan;
  }
}

#elif !defined(__AVX2__)

inline void encode_queries(const QueryTile&) {}

#endif

}  // namespace
}  // namespace halftone::cpu
