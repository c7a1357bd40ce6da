#include "backend/cuda/paged_attention/attention_prefill_kernels.h"
#include "backend/cuda/paged_attention/stored_pairs.h"

namespace halftone::cuda {

template <class T, int kDim>
struct Prefill {
  using Pairs = StoredPairs<T>;
  static constexpr int kTokens = prefill_tokens(kDim);
  static constexpr int kRowBytes = prefill_row_bytes(kDim);
  static constexpr size_t kPlace = prefill_shared(kDim) - 16;  ///< of what find_tile() says
  static constexpr int kVectors = prefill_vectors(kDim);
  static constexpr int kTiles = kVectors / 64;  ///< of 16 vectors, of a warp
  static constexpr bool kScaled = sizeof(T) == 1;

  const AttentionView& view;
  Sequence sequence;
  int kv_head, first_vector;  ///< of the block
  /// Of the vectors lane / 4 and 8 further of each tile.
  float highest[kTiles][2] = {}, total[kTiles][2] = {};
  float sums[kTiles][kDim / 8][4] = {};

  DEVICE_MEMBER void clear() {
    UNROLL
    for (int m = 0; m < kTiles; ++m) highest[m][0] = highest[m][1] = -kInfinity;
  }

  DEVICE_MEMBER Shared<std::byte> buffer(bool values) const {
    return shared_memory<std::byte>(values ? size_t{kTokens} * kRowBytes : 0);
  }
  DEVICE_MEMBER Shared<std::byte> queries() const {
    return shared_memory<std::byte>(size_t{2 * kTokens} * kRowBytes);
  }
  DEVICE_MEMBER Shared<float> scales(bool values) const {
    return shared_memory<float>(size_t{2 * kTokens + kVectors} * kRowBytes +
                                (values ? kTokens * sizeof(float) : 0));
  }

  /// Row and head of a vector; those past the last stand for the last.
  DEVICE_MEMBER int row_of(int vector) const {
    const int row = vector / view.group;
    return row < sequence.rows ? row : sequence.rows - 1;
  }
  DEVICE_MEMBER int head_of(int vector) const { return kv_head * view.group + vector % view.group; }
  /// This lane's vector of its warp's tile m; half 1: 8 further.
  DEVICE_MEMBER int vector_of(int m, int half) const {
    return first_vector + (warp() * kTiles + m) * 16 + lane() / 4 + 8 * half;
  }

  /// The block's scaled queries, rounded, zeros behind dim.
  DEVICE_MEMBER void load_queries() const {
    constexpr int kPairs = kDim / 2;
    for (int i = thread(); i < kVectors * kPairs; i += kPrefillThreads) {
      const int v = i / kPairs, d = i % kPairs * 2, vector = first_vector + v;
      Vec2 q{0, 0};
      if (d < view.dim)
        q = load_wide<Vec2>(view.query + vector_at(view.query_at, sequence, row_of(vector), head_of(vector)) +
                            d);
      store_as<uint32_t>(queries() + (v * kRowBytes + 2 * d),
                         Pairs::pack(q.x * view.scale, q.y * view.scale));
    }
  }

  /// Starts to bring the keys or values of kTokens positions from `begin` on; zeros from `end` on.
  DEVICE_MEMBER void bring(bool values, int begin, int end) const {
    constexpr int kPieces = kDim / 8;  // of 16 bytes, of a token in shared memory
    const KvSide& side = values ? view.values : view.keys;
    const int dim = values ? view.value_dim : view.dim;
    const Shared<std::byte> to = buffer(values);
    UNROLL_TWO  // all at once they would take registers that the sums need
        for (int i = 0; i < kTokens * kPieces / kPrefillThreads; ++i) {
      const int number = i * kPrefillThreads + thread(), token = number / kPieces, piece = number % kPieces;
      const int position = begin + token;
      const bool there = position < end && piece * 8 < dim;
      const int64_t block = there ? block_of(view, sequence.index, position >> view.block_shift) : 0;
      const std::byte* from = side.at(block, kv_head, position & (view.block_tokens - 1));
      const Shared<std::byte> at = to + (token * kRowBytes + piece * 16);
      if constexpr (kScaled) {
        const Words2 codes = there ? load_wide<Words2>(from + piece * 8) : Words2{0, 0};
        store_as<Words4>(at, Words4{f16_of_codes(codes.x, false), f16_of_codes(codes.x, true),
                                    f16_of_codes(codes.y, false), f16_of_codes(codes.y, true)});
        if (piece == 0)
          scales(values)[token] =
              there ? *side.scale_at(block, kv_head, position & (view.block_tokens - 1)) : 0.0f;
      } else {
        copy_async_16(at, there ? from + piece * 16 : side.data, there ? 16 : 0);
      }
    }
    commit_copies();
  }

  DEVICE_MEMBER void arrived() const {
    wait_copies<0>();
    sync_block();
  }

  /// This lane's row of the matrices that it points load_matrices() at: 16 tokens from `token` on, 16
  /// elements from `element` on, the elements' halves (keys) or the tokens' (values) side by side in one
  /// fragment.
  DEVICE_MEMBER Shared<std::byte> matrix_row(bool values, int token, int element) const {
    const int matrix = lane() / 8, first = matrix % 2, second = matrix / 2;
    const int t = token + lane() % 8 + 8 * (values ? first : second);
    const int e = element + 8 * (values ? second : first);
    return buffer(values) + (t * kRowBytes + 2 * e);
  }

  /// Likewise of the queries: 16 vectors of the warp's tile m, their halves side by side last.
  DEVICE_MEMBER Shared<std::byte> query_row(int m, int element) const {
    const int matrix = lane() / 8;
    const int v = (warp() * kTiles + m) * 16 + lane() % 8 + 8 * (matrix % 2);
    return queries() + (v * kRowBytes + 2 * (element + 8 * (matrix / 2)));
  }

  DEVICE_MEMBER void score(float (&scores)[kTiles][kTokens / 8][4]) const {
    UNROLL
    for (int k = 0; k < kDim / 16; ++k) {
      uint32_t query[kTiles][4];
      UNROLL
      for (int m = 0; m < kTiles; ++m) load_matrices(query[m], query_row(m, 16 * k));
      UNROLL
      for (int pair = 0; pair < kTokens / 16; ++pair) {
        uint32_t words[4];
        load_matrices(words, matrix_row(false, 16 * pair, 16 * k));
        const uint32_t left[2] = {words[0], words[1]}, right[2] = {words[2], words[3]};
        UNROLL
        for (int m = 0; m < kTiles; ++m) {
          Pairs::multiply(scores[m][2 * pair], query[m], left);
          Pairs::multiply(scores[m][2 * pair + 1], query[m], right);
        }
      }
    }
  }

  /// Scores of tile m become weights; what was summed before is scaled to go with them.
  DEVICE_MEMBER void weigh(int m, int begin, bool whole, float (&scores)[kTokens / 8][4]) {
    const int t = lane() % 4;
    UNROLL
    for (int half = 0; half < 2; ++half) {
      Seen seen{0, 0};
      if (!whole) seen = seen_by(view, sequence, row_of(vector_of(m, half)));
      float top = highest[m][half];
      UNROLL
      for (int n = 0; n < kTokens / 8; ++n) UNROLL
      for (int i = 0; i < 2; ++i) {
        float& score = scores[n][2 * half + i];
        if constexpr (kScaled) score *= scales(false)[8 * n + 2 * t + i];
        score = capped(view, score);
        const int position = begin + 8 * n + 2 * t + i;
        if (!whole && (position < seen.first || position >= seen.end)) score = -kInfinity;
        top = score > top ? score : top;
      }
      UNROLL
      for (int mask = 1; mask < 4; mask *= 2) {
        const float other = shuffle_xor(top, mask);
        top = other > top ? other : top;
      }
      // A row that has seen nothing yet must not make -inf - -inf.
      const float base = top == -kInfinity ? 0.0f : top;
      const float keep = fast_exp(highest[m][half] - base);
      highest[m][half] = top;
      total[m][half] *= keep;
      UNROLL
      for (int j = 0; j < kDim / 8; ++j) {
        sums[m][j][2 * half] *= keep;
        sums[m][j][2 * half + 1] *= keep;
      }
      UNROLL
      for (int n = 0; n < kTokens / 8; ++n) UNROLL
      for (int i = 0; i < 2; ++i) {
        float& score = scores[n][2 * half + i];
        score = fast_exp(score - base);
        total[m][half] += score;
      }
    }
  }

  /// Fragments of the weights of 16 tokens.
  DEVICE_MEMBER void round_weights(int k, const float (&weights)[kTokens / 8][4], uint32_t (&a)[4]) const {
    const int t = lane() % 4;
    UNROLL
    for (int n = 0; n < 2; ++n) {
      const float* w = weights[2 * k + n];
      float first = 1, second = 1;
      if constexpr (kScaled) {
        first = scales(true)[16 * k + 8 * n + 2 * t];
        second = scales(true)[16 * k + 8 * n + 2 * t + 1];
      }
      a[2 * n] = Pairs::pack(w[0] * first, w[1] * second);
      a[2 * n + 1] = Pairs::pack(w[2] * first, w[3] * second);
    }
  }

  DEVICE_MEMBER void add_values(const float (&weights)[kTiles][kTokens / 8][4]) {
    UNROLL
    for (int k = 0; k < kTokens / 16; ++k) {
      uint32_t a[kTiles][4];
      UNROLL
      for (int m = 0; m < kTiles; ++m) round_weights(k, weights[m], a[m]);
      UNROLL
      for (int j = 0; j < kDim / 16; ++j) {
        uint32_t words[4];
        load_matrices_transposed(words, matrix_row(true, 16 * k, 16 * j));
        const uint32_t left[2] = {words[0], words[1]}, right[2] = {words[2], words[3]};
        UNROLL
        for (int m = 0; m < kTiles; ++m) {
          Pairs::multiply(sums[m][2 * j], a[m], left);
          Pairs::multiply(sums[m][2 * j + 1], a[m], right);
        }
      }
    }
  }

  DEVICE_MEMBER void write() {
    const int t = lane() % 4;
    UNROLL
    for (int m = 0; m < kTiles; ++m) UNROLL
    for (int half = 0; half < 2; ++half) {
      float all = total[m][half];
      all += shuffle_xor(all, 1);
      all += shuffle_xor(all, 2);
      const float inverse = all == 0 ? 0.0f : 1 / all;
      const int vector = vector_of(m, half);
      if (vector >= sequence.rows * view.group) continue;
      float* to = view.result + vector_at(view.result_at, sequence, row_of(vector), head_of(vector));
      UNROLL
      for (int j = 0; j < kDim / 8; ++j) {
        const int d = 8 * j + 2 * t;
        if (d < view.value_dim)
          store_wide(to + d, Vec2{sums[m][j][2 * half] * inverse, sums[m][j][2 * half + 1] * inverse});
      }
    }
  }
};

/// Which sequence and which of its tiles is the block's; index -1: there are no more.
template <int kVectors>
DEVICE Sequence find_tile(const AttentionPrefillArgs& args, Shared<int> place, int& tile) {
  if (thread() == 0) {
    int left = block_x(), found = -1;
    for (int s = 0; s < args.view.sequence_count; ++s) {
      const int rows = sequence_at(args.view, s).rows;
      const int tiles = rows < args.least_rows ? 0 : (rows * args.view.group + kVectors - 1) / kVectors;
      if (left < tiles) {
        found = s;
        left = tiles - 1 - left;
        break;
      }
      left -= tiles;
    }
    place[0] = found;
    place[1] = left;
  }
  sync_block();
  tile = place[1];
  const int s = place[0];
  return s < 0 ? Sequence{-1, 0, 0, 0, 0} : sequence_at(args.view, s);
}

template <class T, int kDim>
DEVICE void prefill(const AttentionPrefillArgs& args) {
  using State = Prefill<T, kDim>;
  constexpr int kTokens = State::kTokens;
  const AttentionView& view = args.view;
  int tile;
  const Sequence sequence = find_tile<State::kVectors>(args, shared_memory<int>(State::kPlace), tile);
  if (sequence.index < 0) return;
  State state{view, sequence, block_y(), tile * State::kVectors};
  // What the tile's rows see together, and what all of them see.
  const Seen low = seen_by(view, sequence, state.row_of(state.first_vector));
  const Seen high = seen_by(view, sequence, state.row_of(state.first_vector + State::kVectors - 1));
  const int begin = low.first / kTokens * kTokens;
  const int end = high.end < sequence.keys ? high.end : sequence.keys;
  const int common_begin = high.first, common_end = low.end;

  if (begin < end) state.bring(false, begin, end);
  state.load_queries();
  state.clear();
  for (int at = begin; at < end; at += kTokens) {
    state.arrived();  // the keys; and all have read the values before
    state.bring(true, at, end);
    float scores[State::kTiles][kTokens / 8][4] = {};
    state.score(scores);
    const bool whole = at >= common_begin && at + kTokens <= common_end;
    UNROLL
    for (int m = 0; m < State::kTiles; ++m) state.weigh(m, at, whole, scores[m]);
    state.arrived();  // the values; and all have read the keys
    if (at + kTokens < end) state.bring(false, at + kTokens, end);
    state.add_values(scores);
  }
  state.write();
  wait_copies<0>();
}

#define HALFTONE_PREFILL(type, element, dim, blocks)                                                       \
  DEVICE_KERNEL_BOUNDED(attention_prefill_##type##_##dim, AttentionPrefillArgs, kPrefillThreads, blocks) { \
    prefill<element, dim>(args);                                                                           \
  }
HALFTONE_PREFILL(f16, f16, 64, 2)
HALFTONE_PREFILL(f16, f16, 128, 2)
HALFTONE_PREFILL(f16, f16, 256, 2)
HALFTONE_PREFILL(bf16, bf16, 64, 2)
HALFTONE_PREFILL(bf16, bf16, 128, 2)
HALFTONE_PREFILL(bf16, bf16, 256, 2)
HALFTONE_PREFILL(int8, int8_t, 64, 2)
HALFTONE_PREFILL(int8, int8_t, 128, 2)
HALFTONE_PREFILL(int8, int8_t, 256, 2)

}  // namespace halftone::cuda
