#pragma once

#include "backend/cuda/paged_attention/prefill_queries.h"
#include "backend/cuda/paged_attention/prefill_weights.h"

namespace halftone::cuda {

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

/// The keys and values of a block by turns, each copied while the other is worked on.
template <class State>
DEVICE void attend(State& state, typename State::Tiles& tiles, int common_begin, int common_end) {
  constexpr int kTokens = State::kTokens;
  const Shared<std::byte> queries = shared_memory<std::byte>(0);
  const auto query_of = [&](int own, int k, uint32_t(&fragment)[4]) {
    State::load_query(queries, own, k, fragment);
  };
  for (int item = 0; tiles.position(item) < tiles.end; item += 2) {
    const int at = tiles.position(item);
    tiles.next(item);
    float scores[kTokens / 8][4] = {};
    state.score(tiles.tile(item), query_of, scores);
    const bool whole = at >= common_begin && at + kTokens <= common_end;
    uint32_t weights[kTokens / 16][4];
    weigh(state, at, whole, scores, weights);
    tiles.next(item + 1);
    state.add_values(tiles.tile(item + 1), weights);
  }
}

/// The same where kParts warps have the same vectors: what their parts of queries and keys make is added up
/// in shared memory, in the order of the parts. Queries, where values come to later, are held in registers.
template <class State>
DEVICE void attend_by_parts(State& state, typename State::Tiles& tiles, int common_begin, int common_end) {
  constexpr int kTokens = State::kTokens, kSteps = State::kPartDim / 16;
  constexpr int kThreads = State::Tiles::kThreads;
  uint32_t held[kSteps][4];
  const int own_row = here(lane());
  UNROLL
  for (int k = 0; k < kSteps; ++k) State::load_query(tiles.tile(1), own_row, k, held[k]);
  const auto query_of = [&](int, int k, uint32_t(&fragment)[4]) {
    UNROLL
    for (int i = 0; i < 4; ++i) fragment[i] = held[k][i];
  };
  const Shared<float> exchange = shared_memory<float>(State::kExchange);
  const auto place = [&](int n, int part) {
    return exchange +
           4 * (n * kThreads + part * State::kWarpRows * kWarp + thread() % (State::kWarpRows * kWarp));
  };
  for (int item = 0; tiles.position(item) < tiles.end; item += 2) {
    const int at = tiles.position(item);
    wait_copies<0>();
    sync_block();
    tiles.ask(item + 1);
    float scores[kTokens / 8][4] = {};
    state.score(tiles.tile(item), query_of, scores);
    UNROLL
    for (int n = 0; n < kTokens / 8; ++n)
      store_as<Vec4>(place(n, State::my_part()),
                     Vec4{scores[n][0], scores[n][1], scores[n][2], scores[n][3]});
    sync_block();
    tiles.ask(item + 2);
    UNROLL
    for (int n = 0; n < kTokens / 8; ++n) {
      Vec4 sum = load_as<Vec4>(place(n, 0));
      UNROLL
      for (int part = 1; part < State::kParts; ++part) {
        const Vec4 more = load_as<Vec4>(place(n, part));
        sum = {sum.x + more.x, sum.y + more.y, sum.z + more.z, sum.w + more.w};
      }
      scores[n][0] = sum.x;
      scores[n][1] = sum.y;
      scores[n][2] = sum.z;
      scores[n][3] = sum.w;
    }
    const bool whole = at >= common_begin && at + kTokens <= common_end;
    uint32_t weights[kTokens / 16][4];
    weigh(state, at, whole, scores, weights);
    wait_copies<1>();
    sync_block();
    state.add_values(tiles.tile(item + 1), weights);
  }
}

template <class T, int kDim, class Mask, class Ends>
DEVICE void prefill(const AttentionView& view, int least_rows, const Mask& mask, const Ends& ends) {
  using State = Prefill<T, kDim, Mask, Ends>;
  constexpr int kTokens = State::kTokens;
  const int kv_heads = view.heads / view.group;
  int tile;
  const Sequence found = find_tile<State::kVectors>(view, least_rows, block_x() / kv_heads,
                                                    shared_memory<int>(State::kPlace), tile);
  if (found.index < 0) return;
  const Sequence sequence = mask.place(found);
  State state{view, mask, ends, sequence, block_x() % kv_heads, tile * State::kVectors};
  // What the tile's rows see together, and what all of them see.
  const Seen low = seen_by(view, sequence, state.row_of(state.first_vector));
  const Seen high = seen_by(view, sequence, state.row_of(state.first_vector + State::kVectors - 1));
  const int begin = low.first / kTokens * kTokens;
  const int end = high.end < sequence.keys ? high.end : sequence.keys;
  const int common_begin = high.first, common_end = low.end;

  typename State::Tiles tiles{view, sequence.index, state.kv_head, begin, end};
  if constexpr (State::kParts == 1) {
    tiles.begin();
  } else {
    tiles.find(0);
    tiles.ask(0);
  }
  const PrefillQueries<State, kDim> queries{state,
                                            State::kParts == 1 ? shared_memory<std::byte>(0) : tiles.tile(1)};
  if constexpr (Ends::kRanged)
    queries.load_ranged(shared_memory<float>(State::kFactors));
  else
    queries.load();
  if constexpr (State::kParts > 1)
    sync_block();
  else if constexpr (Ends::kRanged)
    sync_warp();
  state.clear();
  if constexpr (State::kParts > 1)
    attend_by_parts(state, tiles, common_begin, common_end);
  else
    attend(state, tiles, common_begin, common_end);
  state.write();
  wait_copies<0>();
}

}  // namespace halftone::cuda
