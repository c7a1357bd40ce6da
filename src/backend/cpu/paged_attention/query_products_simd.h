#pragma once

#include "backend/cpu/paged_attention/query_sums_simd.h"

// Products of queries with rows of keys, and of weights with rows of values. `Rows` gives vectors of row r
// from column i on by load(r, i), and fetches what is read next by fetch(elements).

namespace halftone::cpu {
namespace {

/// Keeps a in a register: compilers would load it again for each product.
inline void keep(Float& a) {
#if defined(__AVX512F__)
  asm volatile("" : "+v"(a));
#elif defined(__AVX2__)
  asm("" : "+x"(a));
#else
  asm("" : "+w"(a));
#endif
}

/// sum + a * b in the register of sum: compilers copy a sum that a loop carries to another one and back.
inline Float add_product(Float sum, Float a, Float b) {
#if defined(__AVX512F__)
  asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
#else
  return Simd::fma(a, b, sum);
#endif
}

/// scores[q, t] = queries[q] . keys[first + t] for kQueries rows and kKeys rows.
template <int kQueries, int kKeys, class Rows>
[[gnu::always_inline]] inline void dot(const float* queries, Rows& keys, int64_t first, int64_t dim,
                                       float* scores, int64_t stride) {
  Float sums[kQueries][kKeys];
  for (auto& row : sums)
    for (Float& sum : row) sum = Simd::zero();
  for (int64_t i = 0; i < dim; i += Simd::kWidth) {
    keys.fetch(Simd::kWidth * kKeys);
    Float key[kKeys];
    for (int t = 0; t < kKeys; ++t) key[t] = keys.load(first + t, i);
    for (int q = 0; q < kQueries; ++q) {
      Float query = Simd::load(queries + q * dim + i);
      keep(query);
      for (int t = 0; t < kKeys; ++t) sums[q][t] = add_product(sums[q][t], query, key[t]);
    }
  }
  store_sums(sums, scores, stride);
}

/// scores[q, t] for t of [begin, end).
template <int kQueries, class Rows>
void score_rows(const float* queries, Rows& keys, int64_t begin, int64_t end, int64_t dim, float* scores,
                int64_t stride) {
  constexpr int kKeys = Simd::kManyRegisters ? Rows::kMostKeys : 2;
  int64_t t = begin;
  for (; t + kKeys <= end; t += kKeys) dot<kQueries, kKeys>(queries, keys, t, dim, scores + t, stride);
  for (; t < end; ++t) dot<kQueries, 1>(queries, keys, t, dim, scores + t, stride);
}

/// sum[q] = sum[q] * shrink[q] + sum over t of [begin, end) of weights[q, t] * values[t], over columns [i, i
/// + kVectors vectors).
template <int kQueries, int kVectors, class Rows>
[[gnu::always_inline]] inline void add_columns(float* sum, const float* shrink, const float* weights,
                                               int64_t stride, Rows& values, int64_t begin, int64_t end,
                                               int64_t dim, int64_t i) {
  Float sums[kQueries][kVectors];
  for (int q = 0; q < kQueries; ++q)
    for (int v = 0; v < kVectors; ++v)
      sums[q][v] = Simd::mul(Simd::load(sum + q * dim + i + v * Simd::kWidth), Simd::broadcast(shrink[q]));
  for (int64_t t = begin; t < end; ++t) {
    values.fetch(kVectors * Simd::kWidth);
    Float value[kVectors];
    for (int v = 0; v < kVectors; ++v) value[v] = values.load(t, i + v * Simd::kWidth);
    for (int q = 0; q < kQueries; ++q) {
      const Float weight = Simd::broadcast(weights[q * stride + t]);
      for (int v = 0; v < kVectors; ++v) sums[q][v] = add_product(sums[q][v], weight, value[v]);
    }
  }
  for (int q = 0; q < kQueries; ++q)
    for (int v = 0; v < kVectors; ++v) Simd::store(sum + q * dim + i + v * Simd::kWidth, sums[q][v]);
}

template <int kQueries, class Rows>
void add_rows(float* sum, const float* shrink, const float* weights, int64_t stride, Rows& values,
              int64_t begin, int64_t end, int64_t dim) {
  constexpr int kVectors = Simd::kManyRegisters ? 4 : 2;
  constexpr int64_t kColumns = kVectors * Simd::kWidth;
  int64_t i = 0;
  for (; i + kColumns <= dim; i += kColumns)
    add_columns<kQueries, kVectors>(sum, shrink, weights, stride, values, begin, end, dim, i);
  for (; i < dim; i += Simd::kWidth)
    add_columns<kQueries, 1>(sum, shrink, weights, stride, values, begin, end, dim, i);
}

}  // namespace
}  // namespace halftone::cpu
