#include "backend/cuda/paged_attention/attention_decode_kernels.h"
#include "backend/cuda/paged_attention/decode_parts.h"
#include "backend/cuda/paged_attention/decode_products.h"
#include "backend/cuda/paged_attention/stored_token.h"

namespace halftone::cuda {

/// A warp's tiles on their way: the i-th is `first + i * kDecodeWarps`, i below `count`.
template <class T, int kDim>
struct DecodeStream {
  using Products = DecodeProducts<T, kDim>;
  static constexpr int kAhead = decode_ahead(kDim, sizeof(T));
  static constexpr int kPieces = Products::kPieces;
  static constexpr int kRows = kWarp / kPieces;        ///< tokens that the warp copies at once
  static constexpr int kCopies = kDecodeTile / kRows;  ///< of a lane and tile
  static constexpr bool kScaled = Products::kScaled;

  const AttentionView& view;
  int sequence, kv_head;
  Seen seen;
  int first, count;
  int ids = 0;  ///< lane l: block of tile i / 32 * 32 + l of the last i that was asked for

  DEVICE_MEMBER int tile(int i) const { return first + i * kDecodeWarps; }
  DEVICE_MEMBER bool sees(int position) const { return position >= seen.first && position < seen.end; }
  DEVICE_MEMBER Shared<Words4> keys(int i) const {
    return shared_memory<Words4>(decode_tiles_at(kDim)) +
           (warp() * kAhead + i % kAhead) * (2 * kDecodeTile * kPieces);
  }
  DEVICE_MEMBER Shared<Words4> values(int i) const { return keys(i) + kDecodeTile * kPieces; }
  DEVICE_MEMBER Shared<float> scales(int i, bool of_values) const {
    return shared_memory<float>(decode_scales_at(kDim, sizeof(T))) +
           ((warp() * kAhead + i % kAhead) * 2 + of_values) * kDecodeTile;
  }

  /// The block of tile i, the same or the next of the last one asked for. All lanes of the warp.
  DEVICE_MEMBER int find(int i) {
    if (i % kWarp == 0)
      ids = i + lane() < count
                ? static_cast<int>(block_of(view, sequence, tile(i + lane()) >> (view.block_shift - 4)))
                : 0;
    return shuffle(ids, i % kWarp);
  }

  /// Asks for the keys (the values) of tile i; a group each, empty behind the last tile.
  DEVICE_MEMBER void ask_keys(int i, int block) const {
    if (i < count) ask<false>(i, block, view.keys, keys(i));
    commit_copies();
  }
  DEVICE_MEMBER void ask_values(int i, int block) const {
    if (i < count) ask<true>(i, block, view.values, values(i));
    commit_copies();
  }
  template <bool kValues>
  DEVICE_MEMBER void ask(int i, int block, const KvSide& side, Shared<Words4> to) const {
    const int own = here(lane()), token = own / kPieces, piece = own % kPieces;
    const int begin = tile(i) * kDecodeTile, slot = begin & (view.block_tokens - 1);
    const bool inside = piece * (16 / int{sizeof(T)}) < view.dim;
    const std::byte* from = side.at(block, kv_head, slot + token) + piece * 16;
    UNROLL
    for (int j = 0; j < kCopies; ++j) {
      const int row = token + j * kRows;
      copy_async_16(
          to + (kValues ? decode_value_piece<kPieces>(row, piece) : decode_key_piece<kPieces>(row, piece)),
          from, inside && sees(begin + row) ? 16 : 0);
      from += kRows * side.token_bytes;
    }
    if constexpr (kScaled)
      if (lane() < kDecodeTile / 4)
        copy_async_16(scales(i, kValues) + 4 * lane(), side.scale_at(block, kv_head, slot + 4 * lane()));
  }
  /// Scales of tokens 2t, 2t + 1, 2t + 8, 2t + 9.
  DEVICE_MEMBER void load_scales(int i, bool of_values, float (&scale)[2][2]) const {
    UNROLL
    for (int n = 0; n < 2; ++n) {
      const Vec2 pair = load_as<Vec2>(scales(i, of_values) + (8 * n + 2 * (lane() % 4)));
      scale[n][0] = pair.x;
      scale[n][1] = pair.y;
    }
  }

  /// Tile i is multiplied, and the tile kAhead further asked for as its place gets free.
  DEVICE_MEMBER void attend(int i, Shared<Words4> fragments, Products& products) {
    constexpr int kPending = 2 * kAhead - 1;
    const int begin = tile(i) * kDecodeTile + 2 * (here(lane()) % 4);
    float scores[2][2], scale[2][2];
    const int block = find(i + kAhead);
    wait_copies<kPending>();
    sync_warp();
    if constexpr (kScaled) load_scales(i, false, scale);
    Products::score(fragments, keys(i), scores);
    sync_warp();
    ask_keys(i + kAhead, block);
    UNROLL
    for (int n = 0; n < 2; ++n) UNROLL
    for (int j = 0; j < 2; ++j) {
      if constexpr (kScaled) scores[n][j] *= scale[n][j];
      if (view.softcap > 0) scores[n][j] = capped_exponent(view.softcap, scores[n][j]);
      if (!sees(begin + 8 * n + j)) scores[n][j] = -kInfinity;
    }
    products.raise(scores);
    wait_copies<kPending>();
    sync_warp();
    if constexpr (kScaled) load_scales(i, true, scale);
    uint32_t weights[4];
    UNROLL
    for (int n = 0; n < 2; ++n) {
      float w[2];
      UNROLL
      for (int j = 0; j < 2; ++j) {
        w[j] = fast_exp2(scores[n][j] - products.highest);
        products.total += w[j];
        if (kScaled && sees(begin + 8 * n + j)) w[j] *= scale[n][j];
      }
      Products::split(w[0], w[1], weights[2 * n], weights[2 * n + 1]);
    }
    products.add_values(weights, values(i));
    sync_warp();
    ask_values(i + kAhead, block);
  }
};

/// The warps' sums of `count` heads in shared memory, where tiles were.
template <class Products, int kDim>
DEVICE void lay_down(Products& products, int count, Shared<float> sums, Shared<float> tops,
                     Shared<float> totals) {
  constexpr int kPer = Products::kPer;
  const int g = lane() / 4, t = lane() % 4;
  float total = products.total;
  total += shuffle_xor(total, 1);
  total += shuffle_xor(total, 2);
  if (t == 0) {
    tops[warp() * kDecodeHeads + g] = products.highest;
    totals[warp() * kDecodeHeads + g] = total;
  }
  if (g >= count) return;
  const Shared<float> own = sums + (warp() * kDecodeHeads + g) * decode_sums_step(kDim);
  UNROLL
  for (int h = 0; h < Products::kValuePieces; ++h) UNROLL
  for (int i = 0; i < 2; ++i) {
    const int d = kPer * (2 * t + i + 8 * h);
    if (d >= kDim) continue;
    UNROLL
    for (int j = 0; j < kPer; j += 4) {
      const auto at = [&](int k) {
        const float(&sum)[4] = products.sums[h * kPer + j + k];
        return sum[i] + sum[i + 2];
      };
      store_as<Vec4>(own + (d + j), Vec4{at(0), at(1), at(2), at(3)});
    }
  }
}

/// The new tokens among positions [begin, end) into the cache: a warp a key or a value.
template <class T>
DEVICE void store_new(const AttentionDecodeArgs& args, const Sequence& sequence, int kv_head, int begin,
                      int end) {
  const AttentionView& view = args.view;
  begin = begin > sequence.past ? begin : sequence.past;
  for (int unit = warp(); unit < 2 * (end - begin); unit += kDecodeWarps) {
    const int position = begin + unit / 2;
    const int64_t row = sequence.first_row + position - sequence.past;
    const bool is_key = unit % 2 == 0;
    const float* from =
        (is_key ? args.key : args.value) + (row * (view.heads / view.group) + kv_head) * int64_t{view.dim};
    put_token<T>(hold_token(from, view.dim), view.dim, is_key ? view.keys : view.values,
                 block_of(view, sequence.index, position >> view.block_shift), kv_head,
                 position & (view.block_tokens - 1));
  }
}

/// Zeros for the rows of no sequence, `count` heads from `head` on. `found`: in shared memory.
DEVICE void clear_rows(const AttentionDecodeArgs& args, int head, int count, Shared<int> found) {
  const AttentionView& view = args.view;
  for (int row = block_z(); row < view.rows; row += view.sequence_count * args.step) {
    sync_block();
    if (sequence_of_row(view, row, found).index >= 0) continue;
    for (int i = thread(); i < count * view.dim; i += kDecodeThreads)
      view.result[row * view.result_at.row + head * view.result_at.head + i] = 0;
  }
}

template <class T, int kDim>
DEVICE void decode(const AttentionDecodeArgs& args) {
  using Stream = DecodeStream<T, kDim>;
  using Products = typename Stream::Products;
  constexpr int kAhead = Stream::kAhead;
  const AttentionView& view = args.view;
  const Sequence sequence = sequence_at(view, block_z() / args.step);
  const int kv_head = block_y() / args.head_groups, first_head = block_y() % args.head_groups * kDecodeHeads;
  const int head = kv_head * view.group + first_head;
  const int count = view.group - first_head < kDecodeHeads ? view.group - first_head : kDecodeHeads;
  const Shared<Words4> fragments = shared_memory<Words4>(0);
  const Shared<float> sums = shared_memory<float>(0);
  const Shared<float> tops = sums + kDecodeWarps * kDecodeHeads * decode_sums_step(kDim);
  const Shared<float> totals = tops + kDecodeWarps * kDecodeHeads;
  const Shared<int> last = shared_memory<int>(
      static_cast<size_t>(kDecodeWarps * kDecodeHeads * (decode_sums_step(kDim) + 2)) * sizeof(float));

  if (sequence.rows > args.most_rows) return wait_for_earlier_kernels();
  for (int row = block_z() % args.step; row < sequence.rows; row += args.step) {
    const Seen seen = seen_by(view, sequence, row);
    const DecodeTiles tiles = decode_tiles(seen, args.parts);
    const int begin = tiles.begin + block_x() * tiles.each;
    const int end = begin + tiles.each < tiles.end ? begin + tiles.each : tiles.end;
    if (begin >= end) continue;
    sync_block();  // the row before is done with shared memory
    Stream stream{view, sequence.index, kv_head,
                  seen, begin + warp(), (end - begin - warp() + kDecodeWarps - 1) / kDecodeWarps};
    const int old = sequence.past / kDecodeTile;  // tiles that no kernel of this run touches
    int asked = 0;
    for (; asked < kAhead && asked < stream.count && stream.tile(asked) < old; ++asked) {
      const int block = stream.find(asked);
      stream.ask_keys(asked, block);
      stream.ask_values(asked, block);
    }
    wait_for_earlier_kernels();
    if (args.key && end > old)
      store_new<T>(args, sequence, kv_head, begin * kDecodeTile,
                   end < tiles.end ? end * kDecodeTile : seen.end);
    Products::load_queries(view, sequence, row, head, count, fragments);
    sync_block();
    for (; asked < kAhead; ++asked) {
      const int block = stream.find(asked);
      stream.ask_keys(asked, block);
      stream.ask_values(asked, block);
    }
    Products products;
    for (int i = 0; i < stream.count; ++i) stream.attend(i, fragments, products);
    wait_copies<0>();
    sync_block();
    lay_down<Products, kDim>(products, count, sums, tops, totals);
    sync_block();
    const DecodePart part{args, sequence, row, head, count, tiles.parts};
    join_warps<kDim>(part, sums, tops, totals);
    if (tiles.parts > 1 && is_last_part(part, last)) join_parts<kDim>(part, sums);
  }
  wait_for_earlier_kernels();
  if (args.key && block_x() == 0) clear_rows(args, head, count, last);
}

// Three blocks of four warps an SM: 168 registers a thread. With 64 KB on their way each, two fill the
// bandwidth, and the third is a kernel's that comes early. Before 9.0 none does, and 168 are too few for 128
// elements.
#define HALFTONE_DECODE(type, element, dim, blocks)                                                   \
  DEVICE_KERNEL_AHEAD(attention_decode_##type##_##dim, AttentionDecodeArgs, kDecodeThreads, blocks) { \
    decode<element, dim>(args);                                                                       \
  }
HALFTONE_DECODE(f16, f16, 64, 3)
HALFTONE_DECODE(f16, f16, 128, kSince90 ? 3 : 2)
HALFTONE_DECODE(f16, f16, 256, 2)
HALFTONE_DECODE(bf16, bf16, 64, 3)
HALFTONE_DECODE(bf16, bf16, 128, kSince90 ? 3 : 2)
HALFTONE_DECODE(bf16, bf16, 256, 2)
HALFTONE_DECODE(int8, int8_t, 64, 3)
HALFTONE_DECODE(int8, int8_t, 128, 3)
HALFTONE_DECODE(int8, int8_t, 256, 2)

}  // namespace halftone::cuda
