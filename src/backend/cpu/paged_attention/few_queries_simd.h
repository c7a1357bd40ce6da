#pragma once

// Attention of at most four queries that share a KV head: each stored row is read once, as it lies, turned
// into what is multiplied in registers. Codes of int8 are multiplied as integers, with queries and weights
// as integers of 16 bits: half as many products as in f32, and their scales are left to scores and weights.
// AVX-512 takes weights of 8 bits, a quarter of the products, where no weight of a tile is large.

#include "backend/cpu/paged_attention/code_products_simd.h"
#include "backend/cpu/paged_attention/query_products_simd.h"
#include "backend/cpu/paged_attention/weigh_simd.h"

namespace halftone::cpu {
namespace {

struct HalfElement {
  static constexpr int64_t kBytes = 2;
  static Float load(const std::byte* p) { return Simd::load_half(p); }
};
struct BfloatElement {
  static constexpr int64_t kBytes = 2;
  static Float load(const std::byte* p) { return Simd::load_bfloat(p); }
};
struct CodeElement {
  static constexpr int64_t kBytes = 1;
  static Float load(const std::byte* p) { return Simd::load_int8(p); }
};

/// Rows as they are stored. What is read next is fetched, as much of it at a time as is read: a processor
/// that waits for memory computes nothing.
/// kCache: 1 for the first cache, 2 for the second.
template <class Element, int kCache>
class StoredElements {
 public:
  static constexpr int64_t kBytes = Element::kBytes;
  StoredElements(const std::byte* rows, int64_t dim, const std::byte* next)
      : rows_(rows), ahead_(next ? next : rows), moves_(next ? 1 : 0), dim_(dim) {}

  const std::byte* row(int64_t row) const { return rows_ + row * dim_ * kBytes; }
  Float load(int64_t row, int64_t i) const { return Element::load(rows_ + (row * dim_ + i) * kBytes); }
  void fetch(int64_t elements) {
    for (int64_t line = 0; line < elements * kBytes; line += 64)
      __builtin_prefetch(ahead_ + line, 0, 4 - kCache);
    ahead_ += elements * kBytes * moves_;
  }

 private:
  const std::byte *rows_, *ahead_;
  int64_t moves_, dim_;
};

/// Numbers of [begin, end) times `factor` and their own factors; the others of [0, padded) become 0.
void scale(float* numbers, float factor, const float* factors, int64_t begin, int64_t end, int64_t padded) {
  for (int64_t t = 0; t < padded; t += Simd::kWidth) {
    const Float both = Simd::mul(Simd::load(factors + t), Simd::broadcast(factor));
    Simd::store(numbers + t, Simd::mul(Simd::load(numbers + t), both));
  }
  for (int64_t t = 0; t < begin; ++t) numbers[t] = 0;
  for (int64_t t = end; t < padded; ++t) numbers[t] = 0;
}

/// A weight of one byte is off by 2^-9 of the largest of its tile, where a value is off by 2^-8 of the
/// largest of its row. It is enough where no weight of the tile is more than this share of all so far.
constexpr float kCoarseShare = 1.0f / 16;

/// Of `count` numbers of at least 0.
float largest(const float* numbers, int64_t count) {
  Float top = Simd::zero();
  for (int64_t t = 0; t < count; t += Simd::kWidth) top = Simd::max(top, Simd::load(numbers + t));
  return Simd::highest(top);
}

/// Keys and values of one head from `position` on, which are rows of a block from `slot` on.
struct StoredTile {
  const KvTile &keys, &values;
  const std::byte *next_keys, *next_values;
  int64_t slot, position, tokens;
};

template <int kQueries, class Element, int kCache>
void attend_queries(const QueryTile& tile, int64_t query, const StoredTile& stored) {
  constexpr int64_t kMost = AttentionLoops::kMostTokens;
  const Seen<kQueries> seen(tile, query, stored.position, stored.tokens);
  if (seen.begin >= seen.end) return;
  const int64_t dim = tile.padded_dim, padded = padded_tokens(stored.tokens);
  const bool coded = stored.keys.format == KvFormat::int8;
  const bool as_codes = kHasCodeProducts && coded && code_products_take(dim);
  const int64_t skipped = stored.slot * dim * Element::kBytes;
  // A second cache holds what is read a tile later; a first one would lose it.
  const std::byte* beside_keys = kCache == 2 ? stored.next_keys : stored.values.stored + skipped;
  const std::byte* beside_values = kCache == 2 ? stored.next_values : stored.next_keys;
  StoredElements<Element, kCache> keys(stored.keys.stored + skipped, dim, beside_keys);
  StoredElements<Element, kCache> values(stored.values.stored + skipped, dim, beside_values);
  alignas(64) float key_scales[kMost], value_scales[kMost], scores[kQueries * kMost];
  if (coded)
    for (int64_t t = 0; t < stored.tokens; ++t) {
      key_scales[t] = stored.keys.scales[stored.slot + t];
      value_scales[t] = stored.values.scales[stored.slot + t];
    }

  if (as_codes)
    score_codes<kQueries>(tile.codes + query * dim, keys, seen.begin, seen.end, dim, scores, padded);
  else
    score_rows<kQueries>(tile.queries + query * dim, keys, seen.begin, seen.end, dim, scores, padded);
  if (coded)
    for (int q = 0; q < kQueries; ++q)
      scale(scores + q * padded, as_codes ? tile.code_scales[query + q] : 1.0f, key_scales, seen.begins[q],
            seen.ends[q], padded);
  weigh_all<kQueries>(tile, query, scores, seen, padded);
  bool fine[kQueries];  // of weights, as codes
  if (coded)
    for (int q = 0; q < kQueries; ++q) {
      float* own = scores + q * padded;
      if (kHasByteWeights) fine[q] = largest(own, padded) > tile.total[query + q] * kCoarseShare;
      scale(own, 1.0f, value_scales, seen.begins[q], seen.ends[q], padded);
    }
  float* sum = tile.sum + query * dim;
  const float* shrink = tile.shrink + query;
  if (as_codes)
    add_codes<kQueries>(sum, shrink, scores, padded, fine, values, seen.begin, seen.end, dim);
  else
    add_rows<kQueries>(sum, shrink, scores, padded, values, seen.begin, seen.end, dim);
}

template <int kCache, class Element>
void attend_few(const QueryTile& tile, const StoredTile& stored) {
  if (tile.count == 4) return attend_queries<4, Element, kCache>(tile, 0, stored);
  if (tile.count == 2) return attend_queries<2, Element, kCache>(tile, 0, stored);
  for (int64_t query = 0; query < tile.count; ++query)
    attend_queries<1, Element, kCache>(tile, query, stored);
}

template <int kCache>
void attend_few(const QueryTile& tile, const KvTile& keys, const KvTile& values, const std::byte* next_keys,
                const std::byte* next_values, int64_t slot, int64_t position, int64_t tokens) {
  const StoredTile stored{keys, values, next_keys, next_values, slot, position, tokens};
  if (keys.format == KvFormat::f16) return attend_few<kCache, HalfElement>(tile, stored);
  if (keys.format == KvFormat::bf16) return attend_few<kCache, BfloatElement>(tile, stored);
  attend_few<kCache, CodeElement>(tile, stored);
}

}  // namespace
}  // namespace halftone::cpu
