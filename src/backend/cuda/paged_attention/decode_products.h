#pragma once

#include "backend/cuda/paged_attention/attention_decode_kernels.h"
#include "backend/cuda/paged_attention/stored_pairs.h"

namespace halftone::cuda {

/// The products of a warp that decodes: heads by the 16 tokens of a tile. g = lane / 4, t = lane % 4.
template <class T, int kDim>
struct DecodeProducts {
  using Pairs = StoredPairs<T>;
  static constexpr int kPer = Pairs::kPerLoad;
  static constexpr bool kScaled = sizeof(T) == 1;
  static constexpr int kPieces = decode_pieces(kDim, sizeof(T));
  static constexpr int kKeyPieces = kPieces / 4;          ///< of a lane and token
  static constexpr int kValuePieces = (kPieces + 7) / 8;  ///< likewise

  float highest = -kInfinity, total = 0;  ///< of head g; the total of this lane's tokens alone
  /// [h * kPer + j][i], with rows 8 to 15 in i + 2: of element kPer * (2t + i + 8h) + j.
  float sums[kValuePieces * kPer][4] = {};

  DEVICE_MEMBER static void split(float low, float high, uint32_t& rounded, uint32_t& rest) {
    rounded = Pairs::pack(low, high);
    const Vec2 back = Pairs::unpack(rounded);
    rest = Pairs::pack(low - back.x, high - back.y);
  }

  /// Fragments of the scaled queries of `count` heads from `head` on, and below them of what their rounding
  /// took away. The product's columns of A and rows of B are dealt to the elements so that a lane's 16 bytes
  /// of a key hold what it needs.
  DEVICE_MEMBER static void load_queries(const AttentionView& view, const Sequence& sequence, int row,
                                         int head, int count, Shared<Words4> fragments) {
    const float factor = query_factor(view);
    for (int i = here(thread()); i < kDim / 16 * kWarp; i += kDecodeThreads) {
      const int step = i / kWarp, g = i % kWarp / 4, t = i % 4;
      const int d = kPer * (4 * (step / (kPer / 4)) + t) + 4 * (step % (kPer / 4));
      uint32_t rounded[2] = {0, 0}, rest[2] = {0, 0};
      if (g < count && d < view.dim) {
        const Vec4 q = load_wide<Vec4>(view.query + vector_at(view.query_at, sequence, row, head + g) + d);
        split(q.x * factor, q.y * factor, rounded[0], rest[0]);
        split(q.z * factor, q.w * factor, rounded[1], rest[1]);
      }
      fragments[i] = Words4{rounded[0], rest[0], rounded[1], rest[1]};
    }
  }

  /// Scores of heads by the tile's tokens: [n][i] is of head g and token 8n + 2t + i.
  DEVICE_MEMBER static void score(Shared<Words4> fragments, Shared<Words4> keys, float (&scores)[2][2]) {
    const int own = here(lane()), g = own / 4, t = own % 4;
    float d[2][4] = {};
    UNROLL
    for (int c = 0; c < kKeyPieces; ++c) {
      const Words4 first = keys[decode_key_piece<kPieces>(g, 4 * c + t)];
      const Words4 second = keys[decode_key_piece<kPieces>(g, 4 * c + t) + 8 * kPieces];
      const uint32_t words[2][4] = {{first.x, first.y, first.z, first.w},
                                    {second.x, second.y, second.z, second.w}};
      UNROLL
      for (int i = 0; i < kPer / 4; ++i) {
        const Words4 query = fragments[(c * (kPer / 4) + i) * kWarp + lane()];
        const uint32_t a[4] = {query.x, query.y, query.z, query.w};
        UNROLL
        for (int n = 0; n < 2; ++n) {
          uint32_t b[2];
          if constexpr (kScaled) {
            b[0] = f16_of_codes(words[n][i], false);
            b[1] = f16_of_codes(words[n][i], true);
          } else {
            b[0] = words[n][2 * i];
            b[1] = words[n][2 * i + 1];
          }
          Pairs::multiply(d[n], a, b);
        }
      }
    }
    UNROLL
    for (int n = 0; n < 2; ++n) {
      scores[n][0] = d[n][0] + d[n][2];
      scores[n][1] = d[n][1] + d[n][3];
    }
  }

  /// Makes `highest` one that all scores are near enough to.
  DEVICE_MEMBER void raise(const float (&scores)[2][2]) {
    float top = highest;
    UNROLL
    for (int n = 0; n < 2; ++n) UNROLL
    for (int i = 0; i < 2; ++i) top = scores[n][i] > top ? scores[n][i] : top;
    UNROLL
    for (int mask = 1; mask < 4; mask *= 2) {
      const float other = shuffle_xor(top, mask);
      top = other > top ? other : top;
    }
    if (!ballot(top > highest + kSlack)) return;
    const float keep = fast_exp2(highest - top);
    total *= keep;
    UNROLL
    for (int j = 0; j < kValuePieces * kPer; ++j) UNROLL
    for (int i = 0; i < 4; ++i) sums[j][i] *= keep;
    highest = top;
  }

  /// Adds the weighted values of tokens 2t, 2t + 1, 2t + 8, 2t + 9. Where a token has fewer than eight pieces
  /// lanes beyond them take others' again, for sums that nobody reads.
  DEVICE_MEMBER void add_values(const uint32_t (&weights)[4], Shared<Words4> values) {
    const int own = here(lane()), g = own / 4 % kPieces, t = own % 4;
    UNROLL
    for (int h = 0; h < kValuePieces; ++h) {
      uint32_t words[4][4];
      UNROLL
      for (int i = 0; i < 4; ++i) {
        const Words4 piece =
            values[decode_value_piece<kPieces>(2 * t, g) + (i % 2 + 8 * (i / 2)) * kPieces + 8 * h];
        words[i][0] = piece.x;
        words[i][1] = piece.y;
        words[i][2] = piece.z;
        words[i][3] = piece.w;
      }
      UNROLL
      for (int i = 0; i < 4; ++i) add_word(h, i, weights, words);
    }
  }

  /// One pair of its columns for each two numbers in words[..][i].
  DEVICE_MEMBER void add_word(int h, int i, const uint32_t (&weights)[4], const uint32_t (&words)[4][4]) {
    if constexpr (kScaled) {
      UNROLL
      for (int j = 0; j < 2; ++j) {
        const uint32_t selector = j ? 0x7362u : 0x5140u;
        const uint32_t first = pick_bytes(words[0][i], words[1][i], selector);
        const uint32_t second = pick_bytes(words[2][i], words[3][i], selector);
        const uint32_t even[2] = {f16_of_codes(first, false), f16_of_codes(second, false)};
        const uint32_t odd[2] = {f16_of_codes(first, true), f16_of_codes(second, true)};
        Pairs::multiply(sums[h * kPer + 4 * i + 2 * j], weights, even);
        Pairs::multiply(sums[h * kPer + 4 * i + 2 * j + 1], weights, odd);
      }
    } else {
      const uint32_t even[2] = {pick_bytes(words[0][i], words[1][i], 0x5410u),
                                pick_bytes(words[2][i], words[3][i], 0x5410u)};
      const uint32_t odd[2] = {pick_bytes(words[0][i], words[1][i], 0x7632u),
                               pick_bytes(words[2][i], words[3][i], 0x7632u)};
      Pairs::multiply(sums[h * kPer + 2 * i], weights, even);
      Pairs::multiply(sums[h * kPer + 2 * i + 1], weights, odd);
    }
  }
};

}  // namespace halftone::cuda
