#pragma once

// Attention of at most four queries over int8 keys and values in KvOrder::fours: a vpdpbusd sums four columns
// of 16 keys, or four values of 16 columns, as they lie. Queries and weights are codes of one byte, and large
// weights of two; for per-ISA sources only (simd.h).

#include "backend/cpu/byte_products_avx512.h"
#include "backend/cpu/paged_attention/fours_weights_avx512.h"
#include "backend/cpu/paged_attention/query_codes_avx512.h"
#include "backend/cpu/paged_attention/read_ahead.h"

namespace halftone::cpu {
namespace {

#if defined(__AVX512F__)

constexpr bool kReadsFours = true;

inline __m512i broadcast_four(const void* bytes) {
  int four;
  __builtin_memcpy(&four, bytes, sizeof four);
  return _mm512_set1_epi32(four);
}

/// scores[q, t] = queries[q] . keys[t] of 32 tokens. Fetches as much as is read.
template <int kQueries, int kCache>
[[gnu::always_inline]] inline void score_fours(const QueryTile& tile, int64_t query, const std::byte* keys,
                                               const float* scales, ReadAhead<kCache>& ahead,
                                               Float (&scores)[kQueries][2]) {
  const int64_t dim = tile.padded_dim;
  const auto* codes = reinterpret_cast<const int8_t*>(tile.codes + query * dim);
  __m512i sums[kQueries][2];
  for (int q = 0; q < kQueries; ++q)  // codes of keys are 128 too large
    for (__m512i& sum : sums[q]) sum = _mm512_set1_epi32(-128 * tile.code_sums[query + q]);
  ReadAhead<kCache> own = ahead;  // in registers
  for (int64_t i = 0; i < dim; i += 4) {
    own.fetch(128);
    __m512i key[2];
    for (int v = 0; v < 2; ++v) key[v] = _mm512_loadu_si512(keys + i * kFoursTokens + v * 64);
    for (int q = 0; q < kQueries; ++q) {
      const __m512i four = broadcast_four(codes + q * 2 * dim + i);
      for (int v = 0; v < 2; ++v) sums[q][v] = add_byte_products(sums[q][v], key[v], four);
    }
  }
  ahead = own;
#pragma GCC unroll 2
  for (int v = 0; v < 2; ++v) {
    const Float scale = Simd::load(scales + v * Simd::kWidth);
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      const Float both = Simd::mul(scale, Simd::broadcast(tile.code_scales[query + q]));
      scores[q][v] = Simd::mul(_mm512_cvtepi32_ps(sums[q][v]), both);
    }
  }
  if (tile.softcap > 0)
    for (auto& row : scores)
      for (Float& score : row) score = capped(score, tile.softcap);
}

/// sum[q] = sum[q] * shrinks[q] + factors[q] * sum over 32 tokens of weights[q, t] * values[t], over
/// kVectors vectors of columns. Fetches as much as is read.
template <int kQueries, int kVectors, class Ahead>
[[gnu::always_inline]] inline void add_fours_columns(float* sum, int64_t dim, const float* shrinks,
                                                     const float* factors,
                                                     const uint8_t (&weights)[kQueries][kFoursTokens],
                                                     const std::byte* values, Ahead& ahead) {
  __m512i sums[kQueries][kVectors];
  for (auto& row : sums)
    for (auto& one : row) one = _mm512_setzero_si512();
  Ahead own = ahead;  // in registers
  for (int64_t t = 0; t < kFoursTokens; t += 4) {
    own.fetch(kVectors * 64);
    __m512i value[kVectors];
    for (int v = 0; v < kVectors; ++v) value[v] = _mm512_loadu_si512(values + t * dim + v * 64);
    for (int q = 0; q < kQueries; ++q) {
      const __m512i weight = broadcast_four(weights[q] + t);
      for (int v = 0; v < kVectors; ++v) sums[q][v] = add_byte_products(sums[q][v], weight, value[v]);
    }
  }
  ahead = own;
  for (int q = 0; q < kQueries; ++q) {
    const Float shrink = Simd::broadcast(shrinks[q]), factor = Simd::broadcast(factors[q]);
    for (int v = 0; v < kVectors; ++v) {
      float* to = sum + q * dim + v * Simd::kWidth;
      const Float before = Simd::mul(Simd::load(to), shrink);
      Simd::store(to, Simd::fma(_mm512_cvtepi32_ps(sums[q][v]), factor, before));
    }
  }
}

template <int kQueries, class Ahead>
void add_fours(float* sum, int64_t dim, const float* shrinks, const float* factors,
               const uint8_t (&weights)[kQueries][kFoursTokens], const std::byte* values, Ahead& ahead) {
  int64_t i = 0;
  for (; i + 64 <= dim; i += 64)
    add_fours_columns<kQueries, 4>(sum + i, dim, shrinks, factors, weights, values + 4 * i, ahead);
  if (i < dim) add_fours_columns<kQueries, 2>(sum + i, dim, shrinks, factors, weights, values + 4 * i, ahead);
}

struct NothingAhead {
  void fetch(int64_t) const {}
};

/// Few queries of one head over codes in fours, by 32 tokens from a multiple of 32 on.
template <int kCache>
class FewOverFours {
 public:
  FewOverFours(const QueryTile& tile, const StoredHeads& heads) : tile_(tile), heads_(heads) {}

  /// Leaves weights of values instead of scores. Fetches `softmax_bytes` more than it reads.
  template <int kQueries>
  void score(int64_t head, int64_t query, int64_t softmax_bytes, ReadAhead<kCache>& ahead) const {
    const float* scales = heads_.keys.scales + head * heads_.keys.scale_stride;
    const float* value_scales = heads_.values.scales + head * heads_.values.scale_stride;
    for_each<kQueries>(query, [&](int64_t t, const Seen<kQueries>& seen, FoursWeights<kQueries>& weights) {
      Float scores[kQueries][2];
      score_fours<kQueries>(tile_, query, codes(heads_.keys, head, t), scales + t, ahead, scores);
      weights.set(tile_, query, scores, seen, value_scales + t,
                  [&] { ahead.fetch(softmax_bytes / kQueries); });
    });
  }
  template <int kQueries>
  void add(int64_t head, int64_t query, ReadAhead<kCache>& ahead) const {
    for_each<kQueries>(query, [&](int64_t t, const Seen<kQueries>&, FoursWeights<kQueries>& weights) {
      const int64_t dim = tile_.padded_dim;
      float* sum = tile_.sum + query * dim;
      const std::byte* values = codes(heads_.values, head, t);
      add_fours<kQueries>(sum, dim, weights.shrinks, weights.factors, weights.high, values, ahead);
      if (!weights.any_low) return;
      weights.turn_to_low();
      NothingAhead nothing;
      add_fours<kQueries>(sum, dim, weights.shrinks, weights.factors, weights.low, values, nothing);
    });
  }

 private:
  const std::byte* codes(const StoredHeads::Side& side, int64_t head, int64_t token) const {
    return side.rows + head * side.stride + token * tile_.padded_dim;
  }
  /// visit(first token, what queries see, their weights) for each 32 that one of them sees.
  template <int kQueries, class Visit>
  void for_each(int64_t query, Visit visit) const {
    using Weights = FoursWeights<kQueries>;
    static_assert(sizeof(Weights) <= kQueries * kFoursTokens * sizeof(float));
    for (int64_t t = 0; t < heads_.tokens; t += kFoursTokens) {
      const int64_t count = heads_.tokens - t < kFoursTokens ? heads_.tokens - t : kFoursTokens;
      const Seen<kQueries> seen(tile_, query, heads_.position + t, count);
      float* scores = tile_.scores + query * AttentionLoops::kMostTokens + t * kQueries;
      if (seen.begin < seen.end) visit(t, seen, *reinterpret_cast<Weights*>(scores));
    }
  }

  const QueryTile& tile_;
  const StoredHeads& heads_;
};

#else

constexpr bool kReadsFours = false;
#endif

}  // namespace
}  // namespace halftone::cpu
