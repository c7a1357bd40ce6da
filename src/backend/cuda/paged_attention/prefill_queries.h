#pragma once

#include "backend/cuda/paged_attention/prefill_state.h"

namespace halftone::cuda {

/// A block's queries to shared memory at `to`, rounded, zeros behind dim: rows of `State`, a pair a lane.
/// Each warp has its share of them, its own tile where it shares that with no other.
template <class State, int kDim>
struct PrefillQueries {
  static constexpr int kRows = 16 / State::kParts;  ///< of a warp
  static constexpr int kSteps = kDim / 64, kLoads = kRows * kSteps;
  static constexpr int kAtOnce = kLoads < 32 ? kLoads : 32;

  const State& state;
  Shared<std::byte> to;

  /// Of load `i`, within its row.
  DEVICE_MEMBER static int element(int i) { return (i % kSteps * kWarp + lane()) * 2; }
  DEVICE_MEMBER int64_t own() const {
    const int vector = state.first_vector + warp() * kRows + lane() % kRows;
    return vector_at(state.view.query_at, state.sequence, state.row_of(vector), state.head_of(vector));
  }
  DEVICE_MEMBER void store(int i, float x, float y) const {
    const int v = warp() * kRows + i / kSteps, pair = element(i) / 2;
    store_as<uint32_t>(to + (prefill_piece<kDim>(v, pair / 4) + pair % 4 * 4), State::Pairs::pack(x, y));
  }

  /// Scaled.
  DEVICE_MEMBER void load() const {
    const AttentionView& view = state.view;
    const float factor = query_factor(view);
    const int64_t mine = own();
    for (int begin = 0; begin < kLoads; begin += kAtOnce) {
      Vec2 q[kAtOnce];
      UNROLL
      for (int i = 0; i < kAtOnce; ++i) {
        const int d = element(begin + i);
        const int64_t at = shuffle(mine, (begin + i) / kSteps);
        q[i] = d < view.dim ? load_wide<Vec2>(view.query + at + d) : Vec2{0, 0};
      }
      UNROLL
      for (int i = 0; i < kAtOnce; ++i) store(begin + i, q[i].x * factor, q[i].y * factor);
    }
  }

  /// Under a power of two of each row, whose score_factor() goes to factors[row].
  DEVICE_MEMBER void load_ranged(Shared<float> factors) const {
    const AttentionView& view = state.view;
    const RangedEnds& ends = state.ends;
    const int64_t mine = own();
    const float key_back =
        ends.key_back ? ends.key_back[state.sequence.index * (view.heads / view.group) + state.kv_head]
                      : 1.0f;
    UNROLL_ONE
    for (int begin = 0; begin < kLoads; begin += kAtOnce) {
      Vec2 q[kAtOnce];
      UNROLL
      for (int i = 0; i < kAtOnce; ++i) {
        const int d = element(begin + i);
        const int64_t at = shuffle(mine, (begin + i) / kSteps);
        q[i] = d < view.dim ? RangedEnds::two(ends.queries.data, ends.queries.type, at + d) : Vec2{0, 0};
      }
      UNROLL
      for (int row = 0; row < kAtOnce / kSteps; ++row) {
        int largest = 0;
        UNROLL
        for (int i = row * kSteps; i < (row + 1) * kSteps; ++i) {
          const int x = magnitude_bits(q[i].x), y = magnitude_bits(q[i].y);
          largest = x > largest ? x : largest;
          largest = y > largest ? y : largest;
        }
        const HalfRange range = half_range(warp_max(largest));
        const float scale = view.scale < 0 ? -range.scale : range.scale;
        UNROLL
        for (int i = row * kSteps; i < (row + 1) * kSteps; ++i)
          store(begin + i, q[i].x * scale, q[i].y * scale);
        if (lane() == 0)
          factors[warp() * kRows + begin / kSteps + row] = score_factor(view, range.back, key_back);
      }
    }
  }
};

}  // namespace halftone::cuda
