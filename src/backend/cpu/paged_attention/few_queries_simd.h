#pragma once

// Attention of at most four queries that share a KV head: each stored row is read once, as it lies, turned
// into what is multiplied in registers. Codes of int8 are multiplied as integers, and their scales left to
// scores and weights: on AVX-512 in fours (few_fours_avx512.h), on AVX2 with queries and weights as integers
// of 16 bits.

#include "backend/cpu/paged_attention/code_products_avx2.h"
#include "backend/cpu/paged_attention/few_fours_avx512.h"
#include "backend/cpu/paged_attention/query_products_simd.h"
#include "backend/cpu/paged_attention/read_ahead.h"
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

/// Rows of one head as they are stored.
template <class Element, int kCache>
class StoredElements {
 public:
  static constexpr int64_t kBytes = Element::kBytes;
  /// Two rows of f16 give memory the time to bring what is read next into the second cache (measured).
  static constexpr int kMostKeys = kBytes == 2 && kCache == 2 ? 2 : 4;
  StoredElements(const std::byte* rows, int64_t dim, const ReadAhead<kCache>& ahead)
      : rows_(rows), dim_(dim), ahead_(ahead) {}

  const std::byte* row(int64_t row) const { return rows_ + row * dim_ * kBytes; }
  Float load(int64_t row, int64_t i) const { return Element::load(rows_ + (row * dim_ + i) * kBytes); }
  void fetch(int64_t elements) { ahead_.fetch(elements * kBytes); }
  const ReadAhead<kCache>& ahead() const { return ahead_; }

 private:
  const std::byte* rows_;
  int64_t dim_;
  ReadAhead<kCache> ahead_;
};

/// Whole vectors, and sums of up to 512 * 127 * 32767 < 2^31.
constexpr bool as_codes(KvFormat format, int64_t dim) {
  return kHasCodeProducts && format == KvFormat::int8 && dim % 32 == 0 && dim <= 512;
}

/// Few queries of one head over rows.
template <class Element, int kCache>
class FewOverRows {
 public:
  FewOverRows(const QueryTile& tile, const StoredHeads& heads)
      : tile_(tile),
        heads_(heads),
        padded_(padded_tokens(heads.tokens)),
        codes_(as_codes(heads.format, tile.padded_dim)) {}

  /// Fetches `softmax_bytes` more than it reads.
  template <int kQueries>
  void score(int64_t head, int64_t query, int64_t softmax_bytes, ReadAhead<kCache>& ahead) const {
    const Seen<kQueries> seen(tile_, query, heads_.position, heads_.tokens);
    if (seen.begin >= seen.end) return;
    const int64_t dim = tile_.padded_dim;
    StoredElements<Element, kCache> keys(heads_.keys.rows + head * heads_.keys.stride, dim, ahead);
    float* scores = tile_.scores + query * padded_;
    if (codes_)
      score_codes<kQueries>(tile_.codes + query * dim, keys, seen.begin, seen.end, dim, scores, padded_);
    else
      score_rows<kQueries>(tile_.queries + query * dim, keys, seen.begin, seen.end, dim, scores, padded_);
    keys.fetch(softmax_bytes / Element::kBytes);
    ahead = keys.ahead();
    if (heads_.format == KvFormat::int8)
      scale(scores, codes_ ? tile_.code_scales + query : nullptr, heads_.keys, head, seen);
    weigh_all<kQueries>(tile_, query, scores, seen, padded_);
  }

  template <int kQueries>
  void add(int64_t head, int64_t query, ReadAhead<kCache>& ahead) const {
    const Seen<kQueries> seen(tile_, query, heads_.position, heads_.tokens);
    if (seen.begin >= seen.end) return;
    const int64_t dim = tile_.padded_dim;
    StoredElements<Element, kCache> values(heads_.values.rows + head * heads_.values.stride, dim, ahead);
    float* weights = tile_.scores + query * padded_;
    if (heads_.format == KvFormat::int8) scale(weights, nullptr, heads_.values, head, seen);
    float* sum = tile_.sum + query * dim;
    const float* shrink = tile_.shrink + query;
    if (codes_)
      add_codes<kQueries>(sum, shrink, weights, padded_, values, seen.begin, seen.end, dim);
    else
      add_rows<kQueries>(sum, shrink, weights, padded_, values, seen.begin, seen.end, dim);
    ahead = values.ahead();
  }

 private:
  /// Numbers that each query sees times its factor (null: 1) and the scales of their rows; the others become
  /// 0.
  template <int kQueries>
  void scale(float* numbers, const float* factors, const StoredHeads::Side& side, int64_t head,
             const Seen<kQueries>& seen) const {
    alignas(64) float scales[AttentionLoops::kMostTokens];
    const float* from = side.scales + head * side.scale_stride;
    for (int64_t t = 0; t < heads_.tokens; ++t) scales[t] = from[t];
    for (int q = 0; q < kQueries; ++q, numbers += padded_) {
      const Float factor = Simd::broadcast(factors ? factors[q] : 1.0f);
      for (int64_t t = 0; t < padded_; t += Simd::kWidth)
        Simd::store(numbers + t,
                    Simd::mul(Simd::load(numbers + t), Simd::mul(Simd::load(scales + t), factor)));
      for (int64_t t = 0; t < seen.begins[q]; ++t) numbers[t] = 0;
      for (int64_t t = seen.ends[q]; t < padded_; ++t) numbers[t] = 0;
    }
  }

  const QueryTile& tile_;
  const StoredHeads& heads_;
  int64_t padded_;
  bool codes_;
};

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

/// Few queries fetch what is read so many bytes later, ...
constexpr int64_t kFetchBytes = 10240;
/// ... and with each head's softmax, which reads nothing, so many more: memory stays busy.
constexpr int64_t kSoftmaxFetchBytes = 512;

constexpr int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

template <int kCache, class Few>
void attend_heads(const QueryTile& tile, const StoredHeads& heads, const StoredStream& stream,
                  const Few& few) {
  const int64_t softmax_bytes = least(kSoftmaxFetchBytes, stream.value_bytes() / 1024 * 128);
  ReadAhead<kCache> ahead(stream, least(kFetchBytes, heads.heads * stream.key_bytes()));
  // Groups of one head read the same.
  const auto of_groups = [&](int64_t head, auto visit) {
    const ReadAhead<kCache> start = ahead;
    for (int64_t q = 0; q < heads.head_queries; q += AttentionLoops::kFewQueries)
      in_groups(least(AttentionLoops::kFewQueries, heads.head_queries - q), [&]<int kQueries>(int64_t i) {
        ahead = start;
        visit.template operator()<kQueries>(head * heads.head_queries + q + i);
      });
  };
  for (int64_t head = 0; head < heads.heads; ++head)
    of_groups(head, [&]<int kQueries>(int64_t query) {
      few.template score<kQueries>(head, query, softmax_bytes + heads.front_bytes, ahead);
    });
  for (int64_t head = 0; head < heads.heads; ++head) {
    ahead.skip_back(softmax_bytes);
    of_groups(head, [&]<int kQueries>(int64_t query) { few.template add<kQueries>(head, query, ahead); });
  }
}

template <int kCache>
void attend_few(const QueryTile& tile, const StoredHeads& heads) {
#if defined(__AVX512F__)
  if (heads.order == KvOrder::fours) {
    const StoredStream stream(heads, tile.padded_dim);
    return attend_heads<kCache>(tile, heads, stream, FewOverFours<kCache>(tile, heads));
  }
#endif
  by_element(heads.format, [&]<class Element>() {
    const StoredStream stream(heads, tile.padded_dim * Element::kBytes);
    attend_heads<kCache>(tile, heads, stream, FewOverRows<Element, kCache>(tile, heads));
  });
}

}  // namespace
}  // namespace halftone::cpu
