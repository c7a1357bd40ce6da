#include "backend/cuda/paged_attention/attention_decode_kernels.h"
#include "backend/cuda/paged_attention/stored_pairs.h"

namespace halftone::cuda {

template <class T, int kDim>
struct Decode {
  using Pairs = StoredPairs<T>;
  static constexpr int kPer = Pairs::kPerLoad;
  static constexpr int kKeyLoads = kDim / (4 * kPer);                     ///< of a lane and token
  static constexpr int kValueLoads = (kDim + 8 * kPer - 1) / (8 * kPer);  ///< of a lane and token
  static constexpr bool kScaled = sizeof(T) == 1;
  /// Whether a tile's values are asked for before its scores are computed: where registers allow it.
  static constexpr bool kEarlyValues = kDim <= 128;

  const AttentionDecodeArgs& args;
  const AttentionView& view;
  Sequence sequence;
  int kv_head;
  Seen seen;
  float highest = -kInfinity, total = 0;  ///< of head lane / 4; the total of this lane's tokens alone
  float sums[kValueLoads * kPer][4] = {};

  /// Fragments of the scaled queries of `count` heads, and below them of what their rounding took away. The
  /// product's columns of A and rows of B are dealt to the elements so that a lane's 16 bytes of a key hold
  /// what it needs.
  DEVICE_MEMBER void load_queries(int row, int head, int count, Shared<Words4> fragments) const {
    for (int i = thread(); i < kDim / 16 * kWarp; i += block_threads()) {
      const int step = i / kWarp, g = i % kWarp / 4, t = i % 4;
      const int d = kPer * (4 * (step / (kPer / 4)) + t) + 4 * (step % (kPer / 4));
      uint32_t rounded[2] = {0, 0}, rest[2] = {0, 0};
      if (g < count && d < view.dim) {
        const Vec4 q = load_wide<Vec4>(view.query + vector_at(view.query_at, sequence, row, head + g) + d);
        split(q.x * view.scale, q.y * view.scale, rounded[0], rest[0]);
        split(q.z * view.scale, q.w * view.scale, rounded[1], rest[1]);
      }
      fragments[i] = Words4{rounded[0], rest[0], rounded[1], rest[1]};
    }
  }

  DEVICE_MEMBER static void split(float low, float high, uint32_t& rounded, uint32_t& rest) {
    rounded = Pairs::pack(low, high);
    const Vec2 back = Pairs::unpack(rounded);
    rest = Pairs::pack(low - back.x, high - back.y);
  }

  DEVICE_MEMBER static Words4 load(const std::byte* at, bool there) {
    return there ? load_once(reinterpret_cast<const Words4*>(at)) : Words4{0, 0, 0, 0};
  }

  DEVICE_MEMBER bool sees(int position) const { return position >= seen.first && position < seen.end; }

  /// Scores of heads by the tile's tokens: [n][i] is of head g and token 8n + 2t + i.
  DEVICE_MEMBER void score(Shared<Words4> fragments, const Words4 (&keys)[2][kKeyLoads],
                           float (&scores)[2][2]) const {
    UNROLL
    for (int n = 0; n < 2; ++n) {
      float d[4] = {0, 0, 0, 0};
      UNROLL
      for (int c = 0; c < kKeyLoads; ++c) {
        const uint32_t words[4] = {keys[n][c].x, keys[n][c].y, keys[n][c].z, keys[n][c].w};
        UNROLL
        for (int i = 0; i < kPer / 4; ++i) {
          const Words4 query = fragments[(c * (kPer / 4) + i) * kWarp + lane()];
          const uint32_t a[4] = {query.x, query.y, query.z, query.w};
          uint32_t b[2];
          if constexpr (kScaled) {
            b[0] = f16_of_codes(words[i], false);
            b[1] = f16_of_codes(words[i], true);
          } else {
            b[0] = words[2 * i];
            b[1] = words[2 * i + 1];
          }
          Pairs::multiply(d, a, b);
        }
      }
      scores[n][0] = d[0] + d[2];
      scores[n][1] = d[1] + d[3];
    }
  }

  /// Adds the weighted values that lie in load `h` of each of the tile's tokens 2t, 2t + 1, 2t + 8, 2t + 9.
  DEVICE_MEMBER void add_values(int h, const uint32_t (&weights)[4], const Words4 (&values)[4]) {
    const uint32_t words[4][4] = {{values[0].x, values[0].y, values[0].z, values[0].w},
                                  {values[1].x, values[1].y, values[1].z, values[1].w},
                                  {values[2].x, values[2].y, values[2].z, values[2].w},
                                  {values[3].x, values[3].y, values[3].z, values[3].w}};
    UNROLL
    for (int i = 0; i < 4; ++i) {
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
  }

  DEVICE_MEMBER void load_values(int h, const std::byte* at, int begin, Words4 (&values)[4]) const {
    const int g = lane() / 4, t = lane() % 4;
    const bool there = (g + 8 * h) * kPer < view.dim;
    UNROLL
    for (int i = 0; i < 4; ++i) {
      const int token = 2 * t + i % 2 + 8 * (i / 2);
      values[i] = load(at + token * view.values.token_bytes + (g + 8 * h) * 16, there && sees(begin + token));
    }
  }

  DEVICE_MEMBER void attend(int tile, int64_t block, Shared<Words4> fragments) {
    const int g = lane() / 4, t = lane() % 4;
    const int begin = tile * kDecodeTile, slot = begin & (view.block_tokens - 1);
    const std::byte* keys_at = view.keys.at(block, kv_head, slot);
    const std::byte* values_at = view.values.at(block, kv_head, slot);
    Words4 keys[2][kKeyLoads];
    UNROLL
    for (int n = 0; n < 2; ++n) UNROLL
    for (int c = 0; c < kKeyLoads; ++c)
      keys[n][c] = load(keys_at + (8 * n + g) * view.keys.token_bytes + (4 * c + t) * 16,
                        sees(begin + 8 * n + g) && (4 * c + t) * kPer < view.dim);
    Words4 values[kEarlyValues ? kValueLoads : 1][4];
    if constexpr (kEarlyValues) UNROLL
    for (int h = 0; h < kValueLoads; ++h) load_values(h, values_at, begin, values[h]);

    float scores[2][2];
    score(fragments, keys, scores);
    float top = highest;
    UNROLL
    for (int n = 0; n < 2; ++n) UNROLL
    for (int i = 0; i < 2; ++i) {
      const int token = 8 * n + 2 * t + i;
      if (kScaled && sees(begin + token))
        scores[n][i] *= load_cached(view.keys.scale_at(block, kv_head, slot + token));
      scores[n][i] = sees(begin + token) ? capped(view, scores[n][i]) : -kInfinity;
      top = scores[n][i] > top ? scores[n][i] : top;
    }
    UNROLL
    for (int mask = 1; mask < 4; mask *= 2) {
      const float other = shuffle_xor(top, mask);
      top = other > top ? other : top;
    }
    if (ballot(top > highest)) {
      const float keep = fast_exp(highest - top);
      total *= keep;
      UNROLL
      for (int j = 0; j < kValueLoads * kPer; ++j) UNROLL
      for (int i = 0; i < 4; ++i) sums[j][i] *= keep;
      highest = top;
    }
    uint32_t weights[4];
    UNROLL
    for (int n = 0; n < 2; ++n) {
      float w[2];
      UNROLL
      for (int i = 0; i < 2; ++i) {
        const int token = 8 * n + 2 * t + i;
        w[i] = fast_exp(scores[n][i] - highest);
        total += w[i];
        if (kScaled && sees(begin + token))
          w[i] *= load_cached(view.values.scale_at(block, kv_head, slot + token));
      }
      split(w[0], w[1], weights[2 * n], weights[2 * n + 1]);
    }
    UNROLL
    for (int h = 0; h < kValueLoads; ++h) {
      if constexpr (!kEarlyValues) load_values(h, values_at, begin, values[0]);
      add_values(h, weights, values[kEarlyValues ? h : 0]);
    }
  }

  /// The block's sums of `count` heads into the partial results.
  DEVICE_MEMBER void join_warps(int row, int head, int count) {
    const Shared<float> all = shared_memory<float>(0);
    const Shared<float> tops = all + kDecodeWarps * kDecodeHeads * kDim;
    const Shared<float> totals = tops + kDecodeWarps * kDecodeHeads;
    const int g = lane() / 4, t = lane() % 4;
    total += shuffle_xor(total, 1);
    total += shuffle_xor(total, 2);
    sync_block();  // the fragments have been read
    if (t == 0) {
      tops[warp() * kDecodeHeads + g] = highest;
      totals[warp() * kDecodeHeads + g] = total;
    }
    const Shared<float> own = all + (warp() * kDecodeHeads + g) * kDim;
    UNROLL
    for (int h = 0; h < kValueLoads; ++h) UNROLL
    for (int j = 0; j < kPer; ++j) UNROLL
    for (int i = 0; i < 2; ++i) {
      const int d = kPer * (2 * t + i + 8 * h) + j;
      if (d < kDim) own[d] = sums[h * kPer + j][i] + sums[h * kPer + j][i + 2];
    }
    sync_block();
    const int64_t partial = (partial_row(args, sequence, row) * view.heads + head) * args.parts + block_x();
    for (int i = thread(); i < count * kDim; i += block_threads()) {
      const int h = i / kDim, d = i % kDim;
      float top = tops[h];
      UNROLL
      for (int w = 1; w < kDecodeWarps; ++w) {
        const float other = tops[w * kDecodeHeads + h];
        top = other > top ? other : top;
      }
      float sum = 0, weight = 0;
      UNROLL
      for (int w = 0; w < kDecodeWarps; ++w) {
        const float share = fast_exp(tops[w * kDecodeHeads + h] - top);
        sum = multiply_add(share, all[(w * kDecodeHeads + h) * kDim + d], sum);
        weight = multiply_add(share, totals[w * kDecodeHeads + h], weight);
      }
      if (d < view.dim) args.sums[(partial + int64_t{h} * args.parts) * view.dim + d] = sum;
      if (d == 0) args.totals[partial + int64_t{h} * args.parts] = {top, weight};
    }
  }
};

template <class T, int kDim>
DEVICE void decode(const AttentionDecodeArgs& args) {
  const AttentionView& view = args.view;
  const Sequence sequence = sequence_at(view, block_z() / args.step);
  if (sequence.rows > args.most_rows) return;
  const int kv_head = block_y() / args.head_groups, first_head = block_y() % args.head_groups * kDecodeHeads;
  const int head = kv_head * view.group + first_head;
  const int count = view.group - first_head < kDecodeHeads ? view.group - first_head : kDecodeHeads;
  const Shared<Words4> fragments = shared_memory<Words4>(0);
  const int shift = view.block_shift - 4;  // tiles of a block
  for (int row = block_z() % args.step; row < sequence.rows; row += args.step) {
    Decode<T, kDim> state{args, view, sequence, kv_head, seen_by(view, sequence, row)};
    const DecodeTiles tiles = decode_tiles(state.seen, args.parts);
    const int begin = tiles.begin + block_x() * tiles.each;
    const int end = begin + tiles.each < tiles.end ? begin + tiles.each : tiles.end;
    if (begin >= end) continue;
    sync_block();  // the row before is done with shared memory
    state.load_queries(row, head, count, fragments);
    sync_block();
    int tile = begin + warp();
    int64_t block = tile < end ? block_of(view, sequence.index, tile >> shift) : 0;
    while (tile < end) {
      const int next = tile + kDecodeWarps;
      const int64_t next_block = next < end ? block_of(view, sequence.index, next >> shift) : 0;
      state.attend(tile, block, fragments);
      tile = next;
      block = next_block;
    }
    state.join_warps(row, head, count);
  }
}

// Three blocks of four warps an SM up to 128 elements: 12 warps with up to 16 loads of 16 bytes a lane on
// their way, 96 KB an SM. Two beyond.
#define HALFTONE_DECODE(type, element, dim, blocks)                                                     \
  DEVICE_KERNEL_BOUNDED(attention_decode_##type##_##dim, AttentionDecodeArgs, kDecodeThreads, blocks) { \
    decode<element, dim>(args);                                                                         \
  }
HALFTONE_DECODE(f16, f16, 64, 3)
HALFTONE_DECODE(f16, f16, 128, 3)
HALFTONE_DECODE(f16, f16, 256, 2)
HALFTONE_DECODE(bf16, bf16, 64, 3)
HALFTONE_DECODE(bf16, bf16, 128, 3)
HALFTONE_DECODE(bf16, bf16, 256, 2)
HALFTONE_DECODE(int8, int8_t, 64, 3)
HALFTONE_DECODE(int8, int8_t, 128, 3)
HALFTONE_DECODE(int8, int8_t, 256, 2)

DEVICE_KERNEL(attention_decode_join, AttentionDecodeArgs) {
  const AttentionView& view = args.view;
  const int head = block_y();
  Sequence sequence;
  int row;
  if (args.by_sequence) {
    sequence = sequence_at(view, block_x() / args.step);
    row = block_x() % args.step;
    if (sequence.rows > args.most_rows || row >= sequence.rows) return;
  } else {
    sequence = sequence_of_row(view, block_x(), shared_memory<int>(0));
    if (sequence.index < 0) return;
    row = block_x() - sequence.first_row;
  }
  const DecodeTiles tiles = decode_tiles(seen_by(view, sequence, row), args.parts);
  const int parts = (tiles.end - tiles.begin + tiles.each - 1) / tiles.each;
  const int64_t first = (int64_t{block_x()} * view.heads + head) * args.parts;
  float top = -kInfinity;
  for (int p = 0; p < parts; ++p) {
    const float other = args.totals[first + p].x;
    top = other > top ? other : top;
  }
  float* to = view.result + vector_at(view.result_at, sequence, row, head);
  for (int d = thread(); d < view.dim; d += block_threads()) {
    float sum = 0, total = 0;
    for (int p = 0; p < parts; ++p) {
      const Vec2 of_part = load_wide<Vec2>(args.totals + first + p);
      const float share = fast_exp(of_part.x - top);
      total = multiply_add(share, of_part.y, total);
      sum = multiply_add(share, args.sums[(first + p) * view.dim + d], sum);
    }
    to[d] = sum / total;
  }
}

}  // namespace halftone::cuda
