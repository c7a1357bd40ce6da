#pragma once

#include "backend/cuda/paged_attention/prefill_ends.h"
#include "backend/cuda/paged_attention/prefill_tiles.h"
#include "backend/cuda/paged_attention/score_mask.h"

namespace halftone::cuda {

/// A block's vectors and what they have seen. Beyond 256 elements kParts warps have the same vectors: each a
/// part of the elements, of queries as of results, and scores are sums of what the parts make of them.
template <class T, int kDim, class OwnMask, class OwnEnds>
struct Prefill {
  using Mask = OwnMask;
  using Ends = OwnEnds;
  using Pairs = StoredPairs<T>;
  using Tiles = PrefillTiles<T, kDim>;
  static constexpr int kTokens = Tiles::kTokens;
  static constexpr size_t kPlace = prefill_shared(kDim, sizeof(T)) - 16;  ///< of what find_tile() says
  static constexpr size_t kExchange = prefill_scales_at(kDim);            ///< of the parts' scores
  static constexpr size_t kFactors = kPlace + 16;                         ///< Ends::kRanged: of the vectors
  static constexpr int kVectors = prefill_vectors(kDim), kParts = prefill_parts(kDim);
  static constexpr int kWarpRows = kVectors / 16;  ///< warps of different vectors, 16 each
  static constexpr int kPartDim = kDim / kParts;
  static constexpr bool kScaled = sizeof(T) == 1;

  const AttentionView& view;
  const Mask& mask;
  const Ends& ends;
  Sequence sequence;
  int kv_head, first_vector;  ///< of the block
  /// Of the vectors lane / 4 and 8 further of the warp's.
  float highest[2] = {}, total[2] = {};
  float sums[kPartDim / 8][4] = {};
  /// Ends::kRanged: of the same vectors' products with keys.
  float factor[2] = {};

  DEVICE_MEMBER void clear() {
    highest[0] = highest[1] = -kInfinity;
    if constexpr (Ends::kRanged) UNROLL
    for (int half = 0; half < 2; ++half)
      factor[half] = shared_memory<float>(kFactors)[my_tile() * 16 + lane() / 4 + 8 * half];
  }

  /// Row and head of a vector; those past the last stand for the last.
  DEVICE_MEMBER int row_of(int vector) const {
    const int row = vector / view.group;
    return row < sequence.rows ? row : sequence.rows - 1;
  }
  DEVICE_MEMBER int head_of(int vector) const { return kv_head * view.group + vector % view.group; }
  DEVICE_MEMBER static int my_tile() { return kParts == 1 ? warp() : warp() % kWarpRows; }
  DEVICE_MEMBER static int my_part() { return kParts == 1 ? 0 : warp() / kWarpRows; }
  /// This lane's vector of its warp's 16; half 1: 8 further.
  DEVICE_MEMBER int vector_of(int half) const {
    return first_vector + my_tile() * 16 + lane() / 4 + 8 * half;
  }

  /// Offset of the row of 16 by 16 elements from (row, element) on that lane `own` points load_matrices() at:
  /// the elements' halves side by side in one fragment, or (`rows_first`) the rows'.
  DEVICE_MEMBER static int matrix_row(int own, int row, int element, bool rows_first) {
    const int matrix = own / 8, first = matrix % 2, second = matrix / 2;
    return prefill_piece<kDim>(row + own % 8 + 8 * (rows_first ? first : second),
                               element / 8 + (rows_first ? second : first));
  }

  /// Queries of step k of the warp's part.
  DEVICE_MEMBER static void load_query(Shared<std::byte> queries, int own, int k, uint32_t (&query)[4]) {
    load_matrices(query, queries + matrix_row(own, my_tile() * 16, my_part() * kPartDim + 16 * k, true));
  }

  /// Adds the products of the warp's part; query_of(own, k, fragment) gives the fragments.
  template <class Query>
  DEVICE_MEMBER void score(Shared<std::byte> keys, Query query_of, float (&scores)[kTokens / 8][4]) const {
    const int own = here(lane());
    UNROLL
    for (int k = 0; k < kPartDim / 16; ++k) {
      uint32_t query[4];
      query_of(own, k, query);
      UNROLL
      for (int pair = 0; pair < kTokens / 16; ++pair) {
        uint32_t words[4];
        load_matrices(words, keys + matrix_row(own, 16 * pair, my_part() * kPartDim + 16 * k, false));
        const uint32_t left[2] = {words[0], words[1]}, right[2] = {words[2], words[3]};
        Pairs::multiply(scores[2 * pair], query, left);
        Pairs::multiply(scores[2 * pair + 1], query, right);
      }
    }
  }

  DEVICE_MEMBER void add_values(Shared<std::byte> values, const uint32_t (&weights)[kTokens / 16][4]) {
    const int own = here(lane());
    UNROLL
    for (int pair = 0; pair < kPartDim / 32; ++pair) UNROLL
    for (int k = 0; k < kTokens / 16; ++k) UNROLL
    for (int j = 2 * pair; j < 2 * pair + 2; ++j) {
      uint32_t words[4];
      load_matrices_transposed(words, values + matrix_row(own, 16 * k, my_part() * kPartDim + 16 * j, true));
      const uint32_t left[2] = {words[0], words[1]}, right[2] = {words[2], words[3]};
      Pairs::multiply(sums[2 * j], weights[k], left);
      Pairs::multiply(sums[2 * j + 1], weights[k], right);
    }
  }

  DEVICE_MEMBER void write() {
    const int t = lane() % 4;
    UNROLL
    for (int half = 0; half < 2; ++half) {
      float all = total[half];
      all += shuffle_xor(all, 1);
      all += shuffle_xor(all, 2);
      float inverse = all == 0 ? 0.0f : 1 / all;
      const int vector = vector_of(half);
      if (vector >= sequence.rows * view.group) continue;
      const int64_t to = vector_at(view.result_at, sequence, row_of(vector), head_of(vector));
      if constexpr (Ends::kRanged) {
        if (ends.value_back) inverse *= ends.value_back[sequence.index * (view.heads / view.group) + kv_head];
      }
      UNROLL
      for (int j = 0; j < kPartDim / 8; ++j) {
        const int d = my_part() * kPartDim + 8 * j + 2 * t;
        if (d >= view.value_dim) continue;
        const Vec2 two{sums[j][2 * half] * inverse, sums[j][2 * half + 1] * inverse};
        if constexpr (Ends::kRanged)
          ends.store_two(to + d, two);
        else
          store_wide(view.result + to + d, two);
      }
    }
  }
};

}  // namespace halftone::cuda
