#include "backend/cuda/paged_attention/attention_prefill_kernels.h"
#include "backend/cuda/paged_attention/stored_pairs.h"

namespace halftone::cuda {

DEVICE int tiles_of(const AttentionPrefillArgs& args, const Sequence& sequence) {
  if (sequence.rows < args.least_rows) return 0;
  return (sequence.rows * args.view.group + kPrefillVectors - 1) / kPrefillVectors;
}

template <class T, int kDim>
struct Prefill {
  using Pairs = StoredPairs<T>;
  static constexpr int kTokens = prefill_tokens(kDim);
  static constexpr int kRowBytes = prefill_row_bytes(kDim);
  static constexpr size_t kPlace = prefill_shared(kDim) - 16;  ///< of what find_tile() says
  static constexpr bool kScaled = sizeof(T) == 1;

  const AttentionView& view;
  Sequence sequence;
  int kv_head, first_vector;  ///< of the warp
  uint32_t queries[kDim / 16][4] = {};
  float highest[2] = {-kInfinity, -kInfinity}, total[2] = {0, 0};  ///< of rows lane / 4 and 8 further
  float sums[kDim / 8][4] = {};
  Seen seen[2] = {};

  DEVICE_MEMBER Shared<std::byte> buffer(bool values) const {
    return shared_memory<std::byte>(values ? size_t{kTokens} * kRowBytes : 0);
  }
  DEVICE_MEMBER Shared<float> scales(bool values) const {
    return shared_memory<float>(size_t{2} * kTokens * kRowBytes + (values ? kTokens * sizeof(float) : 0));
  }

  /// Row and head of a vector; those past the last stand for the last.
  DEVICE_MEMBER int row_of(int vector) const {
    const int row = vector / view.group;
    return row < sequence.rows ? row : sequence.rows - 1;
  }
  DEVICE_MEMBER int head_of(int vector) const { return kv_head * view.group + vector % view.group; }

  DEVICE_MEMBER void load_queries() {
    const int g = lane() / 4, t = lane() % 4;
    UNROLL
    for (int half = 0; half < 2; ++half) {
      const int vector = first_vector + g + 8 * half, row = row_of(vector);
      seen[half] = seen_by(view, sequence, row);
      const float* from = view.query + vector_at(view.query_at, sequence, row, head_of(vector));
      UNROLL
      for (int k = 0; k < kDim / 16; ++k) UNROLL
      for (int part = 0; part < 2; ++part) {
        const int d = 16 * k + 8 * part + 2 * t;
        const Vec2 q = d < view.dim ? load_wide<Vec2>(from + d) : Vec2{0, 0};
        queries[k][half + 2 * part] = Pairs::pack(q.x * view.scale, q.y * view.scale);
      }
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

  DEVICE_MEMBER void score(float (&scores)[kTokens / 8][4]) const {
    UNROLL
    for (int pair = 0; pair < kTokens / 16; ++pair) UNROLL
    for (int k = 0; k < kDim / 16; ++k) {
      uint32_t words[4];
      load_matrices(words, matrix_row(false, 16 * pair, 16 * k));
      const uint32_t left[2] = {words[0], words[1]}, right[2] = {words[2], words[3]};
      Pairs::multiply(scores[2 * pair], queries[k], left);
      Pairs::multiply(scores[2 * pair + 1], queries[k], right);
    }
  }

  /// Scores become weights; what was summed before is scaled to go with them.
  DEVICE_MEMBER void weigh(int begin, bool whole, float (&scores)[kTokens / 8][4]) {
    const int t = lane() % 4;
    UNROLL
    for (int half = 0; half < 2; ++half) {
      float top = highest[half];
      UNROLL
      for (int n = 0; n < kTokens / 8; ++n) UNROLL
      for (int i = 0; i < 2; ++i) {
        float& score = scores[n][2 * half + i];
        if constexpr (kScaled) score *= scales(false)[8 * n + 2 * t + i];
        score = capped(view, score);
        const int position = begin + 8 * n + 2 * t + i;
        if (!whole && (position < seen[half].first || position >= seen[half].end)) score = -kInfinity;
        top = score > top ? score : top;
      }
      UNROLL
      for (int mask = 1; mask < 4; mask *= 2) {
        const float other = shuffle_xor(top, mask);
        top = other > top ? other : top;
      }
      // A row that has seen nothing yet must not make -inf - -inf.
      const float base = top == -kInfinity ? 0.0f : top;
      const float keep = fast_exp(highest[half] - base);
      highest[half] = top;
      total[half] *= keep;
      UNROLL
      for (int j = 0; j < kDim / 8; ++j) {
        sums[j][2 * half] *= keep;
        sums[j][2 * half + 1] *= keep;
      }
      UNROLL
      for (int n = 0; n < kTokens / 8; ++n) UNROLL
      for (int i = 0; i < 2; ++i) {
        float& score = scores[n][2 * half + i];
        score = fast_exp(score - base);
        total[half] += score;
      }
    }
  }

  DEVICE_MEMBER void add_values(const float (&weights)[kTokens / 8][4]) {
    const int t = lane() % 4;
    UNROLL
    for (int k = 0; k < kTokens / 16; ++k) {
      float w[2][4];
      UNROLL
      for (int n = 0; n < 2; ++n) UNROLL
      for (int i = 0; i < 4; ++i) {
        w[n][i] = weights[2 * k + n][i];
        if constexpr (kScaled) w[n][i] *= scales(true)[16 * k + 8 * n + 2 * t + i % 2];
      }
      const uint32_t a[4] = {Pairs::pack(w[0][0], w[0][1]), Pairs::pack(w[0][2], w[0][3]),
                             Pairs::pack(w[1][0], w[1][1]), Pairs::pack(w[1][2], w[1][3])};
      UNROLL
      for (int j = 0; j < kDim / 16; ++j) {
        uint32_t words[4];
        load_matrices_transposed(words, matrix_row(true, 16 * k, 16 * j));
        const uint32_t left[2] = {words[0], words[1]}, right[2] = {words[2], words[3]};
        Pairs::multiply(sums[2 * j], a, left);
        Pairs::multiply(sums[2 * j + 1], a, right);
      }
    }
  }

  DEVICE_MEMBER void write() {
    const int g = lane() / 4, t = lane() % 4;
    UNROLL
    for (int half = 0; half < 2; ++half) {
      total[half] += shuffle_xor(total[half], 1);
      total[half] += shuffle_xor(total[half], 2);
      const float inverse = total[half] == 0 ? 0.0f : 1 / total[half];
      const int vector = first_vector + g + 8 * half;
      if (vector >= sequence.rows * view.group) continue;
      float* to = view.result + vector_at(view.result_at, sequence, row_of(vector), head_of(vector));
      UNROLL
      for (int j = 0; j < kDim / 8; ++j) {
        const int d = 8 * j + 2 * t;
        if (d < view.value_dim)
          store_wide(to + d, Vec2{sums[j][2 * half] * inverse, sums[j][2 * half + 1] * inverse});
      }
    }
  }
};

/// Which sequence and which of its tiles is the block's; index -1: there are no more.
DEVICE Sequence find_tile(const AttentionPrefillArgs& args, Shared<int> place, int& tile) {
  if (thread() == 0) {
    int left = block_x(), found = -1;
    for (int s = 0; s < args.view.sequence_count; ++s) {
      const int tiles = tiles_of(args, sequence_at(args.view, s));
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
  const Sequence sequence = find_tile(args, shared_memory<int>(State::kPlace), tile);
  if (sequence.index < 0) return;
  State state{view, sequence, block_y(), tile * kPrefillVectors + warp() * 16};
  // What the tile's rows see together, and what all of them see.
  const int last_vector = tile * kPrefillVectors + kPrefillVectors - 1;
  const Seen low = seen_by(view, sequence, state.row_of(tile * kPrefillVectors));
  const Seen high = seen_by(view, sequence, state.row_of(last_vector));
  const int begin = low.first / kTokens * kTokens;
  const int end = high.end < sequence.keys ? high.end : sequence.keys;
  const int common_begin = high.first, common_end = low.end;

  state.load_queries();
  if (begin < end) state.bring(false, begin, end);
  for (int at = begin; at < end; at += kTokens) {
    state.arrived();  // the keys; and all have read the values before
    state.bring(true, at, end);
    float scores[kTokens / 8][4] = {};
    state.score(scores);
    state.weigh(at, at >= common_begin && at + kTokens <= common_end, scores);
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
HALFTONE_PREFILL(f16, f16, 64, 4)
HALFTONE_PREFILL(f16, f16, 128, 3)
HALFTONE_PREFILL(f16, f16, 256, 2)
HALFTONE_PREFILL(bf16, bf16, 64, 4)
HALFTONE_PREFILL(bf16, bf16, 128, 3)
HALFTONE_PREFILL(bf16, bf16, 256, 2)
HALFTONE_PREFILL(int8, int8_t, 64, 4)
HALFTONE_PREFILL(int8, int8_t, 128, 2)
HALFTONE_PREFILL(int8, int8_t, 256, 2)

}  // namespace halftone::cuda
