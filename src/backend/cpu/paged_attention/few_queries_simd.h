#pragma once

// Attention of at most four queries that share a KV head: each stored row is read once, as it lies, turned
// into what is multiplied in registers. Codes of int8 are multiplied as integers, and their scales left to
// scores and weights: on AVX-512 in fours (few_fours_avx512.h), on AVX2 with queries and weights as integers
// of 16 bits.

#include "backend/cpu/paged_attention/code_products_avx2.h"
#include "backend/cpu/paged_attention/few_fours_avx512.h"
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

/// Keys (or values) of one head from `position` on, which are rows of a block from `slot` on.
struct StoredTile {
  const KvTile& rows;
  const std::byte* next;
  int64_t slot, position, tokens;

  template <class Element, int kCache>
  StoredElements<Element, kCache> elements(int64_t dim) const {
    return {rows.stored + slot * dim * Element::kBytes, dim, next};
  }
  void copy_scales(float* to) const {
    for (int64_t t = 0; t < tokens; ++t) to[t] = rows.scales[slot + t];
  }
};

/// Whole vectors, and sums of up to 512 * 127 * 32767 < 2^31.
constexpr bool as_codes(const KvTile& rows, int64_t dim) {
  return kHasCodeProducts && rows.format == KvFormat::int8 && dim % 32 == 0 && dim <= 512;
}

template <int kQueries, class Element, int kCache>
void score_stored(const QueryTile& tile, int64_t query, const StoredTile& stored) {
  const Seen<kQueries> seen(tile, query, stored.position, stored.tokens);
  if (seen.begin >= seen.end) return;
  const int64_t dim = tile.padded_dim, padded = padded_tokens(stored.tokens);
  auto keys = stored.elements<Element, kCache>(dim);
  float* scores = tile.scores + query * padded;
  const bool codes = as_codes(stored.rows, dim);
  if (codes)
    score_codes<kQueries>(tile.codes + query * dim, keys, seen.begin, seen.end, dim, scores, padded);
  else
    score_rows<kQueries>(tile.queries + query * dim, keys, seen.begin, seen.end, dim, scores, padded);
  if (stored.rows.format == KvFormat::int8) {
    alignas(64) float scales[AttentionLoops::kMostTokens];
    stored.copy_scales(scales);
    for (int q = 0; q < kQueries; ++q)
      scale(scores + q * padded, codes ? tile.code_scales[query + q] : 1.0f, scales, seen.begins[q],
            seen.ends[q], padded);
  }
  weigh_all<kQueries>(tile, query, scores, seen, padded);
}

template <int kQueries, class Element, int kCache>
void add_stored(const QueryTile& tile, int64_t query, const StoredTile& stored) {
  const Seen<kQueries> seen(tile, query, stored.position, stored.tokens);
  if (seen.begin >= seen.end) return;
  const int64_t dim = tile.padded_dim, padded = padded_tokens(stored.tokens);
  auto values = stored.elements<Element, kCache>(dim);
  float* weights = tile.scores + query * padded;
  if (stored.rows.format == KvFormat::int8) {
    alignas(64) float scales[AttentionLoops::kMostTokens];
    stored.copy_scales(scales);
    for (int q = 0; q < kQueries; ++q)
      scale(weights + q * padded, 1.0f, scales, seen.begins[q], seen.ends[q], padded);
  }
  float* sum = tile.sum + query * dim;
  const float* shrink = tile.shrink + query;
  if (as_codes(stored.rows, dim))
    add_codes<kQueries>(sum, shrink, weights, padded, values, seen.begin, seen.end, dim);
  else
    add_rows<kQueries>(sum, shrink, weights, padded, values, seen.begin, seen.end, dim);
}

/// visit.operator()<kQueries>(query) for all of at most four queries.
template <class Visit>
void in_groups(int64_t count, Visit visit) {
  if (count == 4) return visit.template operator()<4>(0);
  if (count == 2) return visit.template operator()<2>(0);
  for (int64_t query = 0; query < count; ++query) visit.template operator()<1>(query);
}
/// visit.operator()<Element>() for elements of `format`.
template <class Visit>
void by_element(KvFormat format, Visit visit) {
  if (format == KvFormat::f16) return visit.template operator()<HalfElement>();
  if (format == KvFormat::bf16) return visit.template operator()<BfloatElement>();
  visit.template operator()<CodeElement>();
}

template <int kCache>
void score_few(const QueryTile& tile, const KvTile& keys, const std::byte* next, int64_t slot,
               int64_t position, int64_t tokens) {
#if defined(__AVX512F__)
  if (keys.order == KvOrder::fours) {
    FoursTile<kCache> fours(tile, keys, next, slot, position, tokens);
    return in_groups(tile.count, [&]<int kQueries>(int64_t query) {
      fours.template score<kQueries>(query, keys.value_scales + slot);
    });
  }
#endif
  const StoredTile stored{keys, next, slot, position, tokens};
  by_element(keys.format, [&]<class Element>() {
    in_groups(tile.count, [&]<int kQueries>(int64_t query) {
      score_stored<kQueries, Element, kCache>(tile, query, stored);
    });
  });
}

template <int kCache>
void add_few(const QueryTile& tile, const KvTile& values, const std::byte* next, int64_t slot,
             int64_t position, int64_t tokens) {
#if defined(__AVX512F__)
  if (values.order == KvOrder::fours) {
    FoursTile<kCache> fours(tile, values, next, slot, position, tokens);
    return in_groups(tile.count, [&]<int kQueries>(int64_t query) { fours.template add<kQueries>(query); });
  }
#endif
  const StoredTile stored{values, next, slot, position, tokens};
  by_element(values.format, [&]<class Element>() {
    in_groups(tile.count, [&]<int kQueries>(int64_t query) {
      add_stored<kQueries, Element, kCache>(tile, query, stored);
    });
  });
}

template <int kCache>
constexpr AttentionLoops::Few kFewLoops{score_few<kCache>, add_few<kCache>};

}  // namespace
}  // namespace halftone::cpu
