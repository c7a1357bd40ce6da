#include "backend/cuda/paged_attention/attention_prefill_kernels.h"
#include "backend/cuda/paged_attention/prefill_tiles.h"

namespace halftone::cuda {

template <class T, int kDim, class Mask>
struct Prefill {
  using Pairs = StoredPairs<T>;
  using Tiles = PrefillTiles<T, kDim>;
  static constexpr int kTokens = Tiles::kTokens;
  static constexpr size_t kPlace = prefill_shared(kDim, sizeof(T)) - 16;  ///< of what find_tile() says
  static constexpr int kVectors = kPrefillVectors;
  static constexpr int kTiles = kVectors / 64;  ///< of 16 vectors, of a warp
  static constexpr bool kScaled = sizeof(T) == 1;

  const AttentionView& view;
  const Mask& mask;
  Sequence sequence;
  int kv_head, first_vector;  ///< of the block
  /// Of the vectors lane / 4 and 8 further of each tile.
  float highest[kTiles][2] = {}, total[kTiles][2] = {};
  float sums[kTiles][kDim / 8][4] = {};

  DEVICE_MEMBER void clear() {
    UNROLL
    for (int m = 0; m < kTiles; ++m) highest[m][0] = highest[m][1] = -kInfinity;
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

  /// The warp's scaled queries, rounded, zeros behind dim: a pair a lane.
  DEVICE_MEMBER void load_queries() const {
    constexpr int kRows = 16 * kTiles, kSteps = kDim / 64, kLoads = kRows * kSteps,
                  kAtOnce = kLoads < 32 ? kLoads : 32;
    const Shared<std::byte> queries = shared_memory<std::byte>(0);
    const float factor = query_factor(view);
    const int vector = first_vector + warp() * kRows + lane() % kRows;
    const int64_t own = vector_at(view.query_at, sequence, row_of(vector), head_of(vector));
    for (int begin = 0; begin < kLoads; begin += kAtOnce) {
      Vec2 q[kAtOnce];
      UNROLL
      for (int i = 0; i < kAtOnce; ++i) {
        const int d = ((begin + i) % kSteps * kWarp + lane()) * 2;
        const int64_t at = shuffle(own, (begin + i) / kSteps);
        q[i] = d < view.dim ? load_wide<Vec2>(view.query + at + d) : Vec2{0, 0};
      }
      UNROLL
      for (int i = 0; i < kAtOnce; ++i) {
        const int v = warp() * kRows + (begin + i) / kSteps, pair = (begin + i) % kSteps * kWarp + lane();
        store_as<uint32_t>(queries + (prefill_piece<kDim>(v, pair / 4) + pair % 4 * 4),
                           Pairs::pack(q[i].x * factor, q[i].y * factor));
      }
    }
  }

  /// Offset of the row of 16 by 16 elements from (row, element) on that lane `own` points load_matrices() at:
  /// the elements' halves side by side in one fragment, or (`rows_first`) the rows'.
  DEVICE_MEMBER static int matrix_row(int own, int row, int element, bool rows_first) {
    const int matrix = own / 8, first = matrix % 2, second = matrix / 2;
    return prefill_piece<kDim>(row + own % 8 + 8 * (rows_first ? first : second),
                               element / 8 + (rows_first ? second : first));
  }

  DEVICE_MEMBER void score(Shared<std::byte> keys, float (&scores)[kTiles][kTokens / 8][4]) const {
    const Shared<std::byte> queries = shared_memory<std::byte>(0);
    const int own = here(lane());
    UNROLL
    for (int k = 0; k < kDim / 16; ++k) {
      uint32_t query[kTiles][4];
      UNROLL
      for (int m = 0; m < kTiles; ++m)
        load_matrices(query[m], queries + matrix_row(own, (warp() * kTiles + m) * 16, 16 * k, true));
      UNROLL
      for (int pair = 0; pair < kTokens / 16; ++pair) {
        uint32_t words[4];
        load_matrices(words, keys + matrix_row(own, 16 * pair, 16 * k, false));
        const uint32_t left[2] = {words[0], words[1]}, right[2] = {words[2], words[3]};
        UNROLL
        for (int m = 0; m < kTiles; ++m) {
          Pairs::multiply(scores[m][2 * pair], query[m], left);
          Pairs::multiply(scores[m][2 * pair + 1], query[m], right);
        }
      }
    }
  }

  /// What scores are besides products; those of positions that a row does not see become -infinity.
  DEVICE_MEMBER void finish_scores(int m, int begin, bool whole, float (&scores)[kTokens / 8][4]) const {
    const int t = lane() % 4;
    if constexpr (kScaled) UNROLL
    for (int n = 0; n < kTokens / 8; ++n) {
      const Vec2 scale = load_as<Vec2>(Tiles::scales(false) + (8 * n + 2 * t));
      scores[n][0] *= scale.x;
      scores[n][1] *= scale.y;
      scores[n][2] *= scale.x;
      scores[n][3] *= scale.y;
    }
    if (view.softcap > 0) UNROLL
    for (int n = 0; n < kTokens / 8; ++n) UNROLL
    for (int i = 0; i < 4; ++i) scores[n][i] = capped_exponent(view.softcap, scores[n][i]);
    if (whole && !Mask::kAny) return;
    UNROLL
    for (int half = 0; half < 2; ++half) {
      const int vector = vector_of(m, half);
      const Seen seen = seen_by(view, sequence, row_of(vector));
      UNROLL
      for (int n = 0; n < kTokens / 8; ++n) UNROLL
      for (int i = 0; i < 2; ++i) {
        const int position = begin + 8 * n + 2 * t + i;
        float& score = scores[n][2 * half + i];
        if (position < seen.first || position >= seen.end) {
          score = -kInfinity;
        } else if constexpr (Mask::kAny) {
          score =
              masked_exponent(score, mask.addend(sequence.index, head_of(vector), row_of(vector), position));
        }
      }
    }
  }

  /// Makes `highest` of tile m ones that its scores are near enough to.
  DEVICE_MEMBER void raise(int m, const float (&scores)[kTokens / 8][4]) {
    float top[2] = {highest[m][0], highest[m][1]};
    UNROLL
    for (int half = 0; half < 2; ++half) {
      UNROLL
      for (int n = 0; n < kTokens / 8; ++n) UNROLL
      for (int i = 0; i < 2; ++i) {
        const float score = scores[n][2 * half + i];
        top[half] = score > top[half] ? score : top[half];
      }
      UNROLL
      for (int step = 1; step < 4; step *= 2) {
        const float other = shuffle_xor(top[half], step);
        top[half] = other > top[half] ? other : top[half];
      }
    }
    if (!ballot(top[0] > highest[m][0] + kSlack || top[1] > highest[m][1] + kSlack)) return;
    UNROLL
    for (int half = 0; half < 2; ++half) {
      // A row that has seen nothing yet must not make -inf - -inf.
      const float keep = top[half] == -kInfinity ? 1.0f : fast_exp2(highest[m][half] - top[half]);
      highest[m][half] = top[half];
      total[m][half] *= keep;
      UNROLL
      for (int j = 0; j < kDim / 8; ++j) {
        sums[m][j][2 * half] *= keep;
        sums[m][j][2 * half + 1] *= keep;
      }
    }
  }

  /// Scores of tile m become weights, in fragments.
  DEVICE_MEMBER void weigh(int m, int begin, bool whole, float (&scores)[kTokens / 8][4],
                           uint32_t (&weights)[kTokens / 16][4]) {
    finish_scores(m, begin, whole, scores);
    raise(m, scores);
    const float base[2] = {highest[m][0] == -kInfinity ? 0.0f : highest[m][0],
                           highest[m][1] == -kInfinity ? 0.0f : highest[m][1]};
    UNROLL
    for (int n = 0; n < kTokens / 8; ++n) {
      float w[4];
      UNROLL
      for (int i = 0; i < 4; ++i) {
        w[i] = fast_exp2(scores[n][i] - base[i / 2]);
        total[m][i / 2] += w[i];
      }
      if constexpr (kScaled) {
        const Vec2 scale = load_as<Vec2>(Tiles::scales(true) + (8 * n + 2 * (lane() % 4)));
        w[0] *= scale.x;
        w[1] *= scale.y;
        w[2] *= scale.x;
        w[3] *= scale.y;
      }
      weights[n / 2][n % 2 * 2] = Pairs::pack(w[0], w[1]);
      weights[n / 2][n % 2 * 2 + 1] = Pairs::pack(w[2], w[3]);
    }
  }

  DEVICE_MEMBER void add_values(Shared<std::byte> values,
                                const uint32_t (&weights)[kTiles][kTokens / 16][4]) {
    const int own = here(lane());
    UNROLL
    for (int pair = 0; pair < kDim / 32; ++pair) UNROLL
    for (int k = 0; k < kTokens / 16; ++k) UNROLL
    for (int j = 2 * pair; j < 2 * pair + 2; ++j) {
      uint32_t words[4];
      load_matrices_transposed(words, values + matrix_row(own, 16 * k, 16 * j, true));
      const uint32_t left[2] = {words[0], words[1]}, right[2] = {words[2], words[3]};
      UNROLL
      for (int m = 0; m < kTiles; ++m) {
        Pairs::multiply(sums[m][2 * j], weights[m][k], left);
        Pairs::multiply(sums[m][2 * j + 1], weights[m][k], right);
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

/// Which sequence and which of its tiles is number `left`; index -1: there are no more.
template <int kVectors>
DEVICE Sequence find_tile(const AttentionView& view, int least_rows, int left, Shared<int> place, int& tile) {
  if (thread() == 0) {
    int found = -1;
    for (int s = 0; s < view.sequence_count; ++s) {
      const int rows = sequence_at(view, s).rows;
      const int tiles = rows < least_rows ? 0 : (rows * view.group + kVectors - 1) / kVectors;
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
  return s < 0 ? Sequence{-1, 0, 0, 0, 0} : sequence_at(view, s);
}

template <class T, int kDim, class Mask>
DEVICE void prefill(const AttentionView& view, int least_rows, const Mask& mask) {
  using State = Prefill<T, kDim, Mask>;
  constexpr int kTokens = State::kTokens;
  const int kv_heads = view.heads / view.group;
  int tile;
  const Sequence found = find_tile<State::kVectors>(view, least_rows, block_x() / kv_heads,
                                                    shared_memory<int>(State::kPlace), tile);
  if (found.index < 0) return;
  const Sequence sequence = mask.place(found);
  State state{view, mask, sequence, block_x() % kv_heads, tile * State::kVectors};
  // What the tile's rows see together, and what all of them see.
  const Seen low = seen_by(view, sequence, state.row_of(state.first_vector));
  const Seen high = seen_by(view, sequence, state.row_of(state.first_vector + State::kVectors - 1));
  const int begin = low.first / kTokens * kTokens;
  const int end = high.end < sequence.keys ? high.end : sequence.keys;
  const int common_begin = high.first, common_end = low.end;

  typename State::Tiles tiles{view, sequence.index, state.kv_head, begin, end};
  tiles.begin();
  state.load_queries();
  state.clear();
  for (int item = 0; tiles.position(item) < end; item += 2) {
    const int at = tiles.position(item);
    tiles.next(item);
    float scores[State::kTiles][kTokens / 8][4] = {};
    state.score(tiles.tile(item), scores);
    const bool whole = at >= common_begin && at + kTokens <= common_end;
    uint32_t weights[State::kTiles][kTokens / 16][4];
    UNROLL
    for (int m = 0; m < State::kTiles; ++m) state.weigh(m, at, whole, scores[m], weights[m]);
    tiles.next(item + 1);
    state.add_values(tiles.tile(item + 1), weights);
  }
  state.write();
  wait_copies<0>();
}

// Three blocks of four warps an SM up to 128 elements, of 168 registers a thread and 64 KB; two beyond, and
// where 128 elements of 16 bits take more registers (before 9.0, whose shared memory has room for two).
#define HALFTONE_PREFILL(type, element, dim, blocks)                                                       \
  DEVICE_KERNEL_BOUNDED(attention_prefill_##type##_##dim, AttentionPrefillArgs, kPrefillThreads, blocks) { \
    prefill<element, dim>(args.view, args.least_rows, NoScoreMask{});                                      \
  }
HALFTONE_PREFILL(f16, f16, 64, 3)
HALFTONE_PREFILL(f16, f16, 128, kSince90 ? 3 : 2)
HALFTONE_PREFILL(f16, f16, 256, 2)
HALFTONE_PREFILL(bf16, bf16, 64, 3)
HALFTONE_PREFILL(bf16, bf16, 128, kSince90 ? 3 : 2)
HALFTONE_PREFILL(bf16, bf16, 256, 2)
HALFTONE_PREFILL(int8, int8_t, 64, 3)
HALFTONE_PREFILL(int8, int8_t, 128, 3)
HALFTONE_PREFILL(int8, int8_t, 256, 2)

#define HALFTONE_MASKED_PREFILL(dim, blocks)                                                         \
  DEVICE_KERNEL_BOUNDED(attention_prefill_masked_##dim, AttentionMaskedPrefillArgs, kPrefillThreads, \
                        blocks) {                                                                    \
    prefill<f16, dim>(args.view, 1, args.mask);                                                      \
  }
HALFTONE_MASKED_PREFILL(64, 3)
HALFTONE_MASKED_PREFILL(128, 2)
HALFTONE_MASKED_PREFILL(256, 2)

}  // namespace halftone::cuda
