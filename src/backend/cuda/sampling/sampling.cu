#include "backend/cuda/sampling/sampling_kernels.h"

namespace halftone::cuda {

constexpr uint32_t kNanKey = 0xffffffffu;

/// Grows with the number; 0 for what is no candidate (minus infinity), above all others for NaN.
DEVICE uint32_t key_of(float logit) {
  const uint32_t bits = bits_of(logit + 0.0f);  // -0 becomes 0
  if (logit != logit) return kNanKey;
  if (logit == -kInfinity) return 0;
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
DEVICE float logit_of(uint32_t key) {
  return float_of(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

/// How many are in the block; in every thread. `scratch`: as of block_sum().
DEVICE int block_count(int mine, Shared<float> scratch) {
  return static_cast<int>(block_sum(static_cast<float>(mine), scratch));
}

/// Sum of `mine` over the threads before this one. `scratch`: kWarp floats, likewise.
DEVICE int sum_before(int mine, Shared<float> scratch) {
  int sum = mine;
  UNROLL
  for (int step = 1; step < kWarp; step *= 2) {
    const int other = shuffle(sum, lane() - step);
    if (lane() >= step) sum += other;
  }
  sync_block();
  if (lane() == kWarp - 1) scratch[warp()] = static_cast<float>(sum);
  sync_block();
  float before = 0;
  for (int w = 0; w < warp(); ++w) before += scratch[w];
  return static_cast<int>(before) + sum - mine;
}

/// Calls put(place, i) for the `keep` largest of `count` keys (the first of equals; zeros never), place being
/// i's rank among them by i. Each thread looks at neighbours. Returns how many there are.
template <class Put>
DEVICE int select_largest(Shared<uint32_t> keys, int count, int keep, Shared<float> scratch, Put put) {
  const int each = (count + block_threads() - 1) / block_threads();
  const int begin = thread() * each, end = begin + each < count ? begin + each : count;
  const auto how_many = [&](uint32_t least) {
    int mine = 0;
    for (int i = begin; i < end; ++i) mine += keys[i] >= least;
    return block_count(mine, scratch);
  };
  // The largest key that `keep` keys reach, bit by bit.
  uint32_t least = 0;
  for (int bit = 31; bit >= 0; --bit) {
    const uint32_t wanted = least | (1u << bit);
    if (how_many(wanted) >= keep) least = wanted;
  }
  if (least == 0) least = 1;
  int above = 0, equal = 0;
  for (int i = begin; i < end; ++i) {
    above += keys[i] > least;
    equal += keys[i] == least;
  }
  const int all_above = block_count(above, scratch), all_equal = block_count(equal, scratch);
  const int room = all_equal < keep - all_above ? all_equal : keep - all_above;
  int equal_before = sum_before(equal, scratch);
  const int taken_before = equal_before < room ? equal_before : room;
  int place = sum_before(above, scratch) + taken_before;
  for (int i = begin; i < end; ++i) {
    const uint32_t key = keys[i];
    if (key < least) continue;
    if (key == least && equal_before++ >= room) continue;
    put(place++, i);
  }
  return all_above + room;
}

DEVICE_KERNEL(sampling_part_kernel, SamplingPartArgs) {
  const int begin = block_x() * args.part;
  const int count = begin + args.part < args.vocabulary ? args.part : args.vocabulary - begin;
  const Shared<uint32_t> keys = shared_memory<uint32_t>(2 * kWarp * sizeof(float));
  for (int i = thread(); i < count; i += block_threads()) keys[i] = key_of(args.logits[begin + i]);
  if (args.history) {
    // Each thread looks for its own tokens; from the original logit, however often a token stands there.
    for (int h = 0; h < *args.history_count; ++h) {
      const int i = args.history[h] - begin;
      if (i < 0 || i >= count || i % block_threads() != thread()) continue;
      const float logit = args.logits[begin + i];
      keys[i] = key_of(logit > 0 ? logit / args.penalty : logit * args.penalty);
    }
  }
  sync_block();
  const int64_t to = int64_t{block_x()} * args.keep;
  const int kept = select_largest(keys, count, args.keep, shared_memory<float>(0), [&](int place, int i) {
    args.keys[to + place] = keys[i];
    args.ids[to + place] = begin + i;
  });
  for (int i = kept + thread(); i < args.keep; i += block_threads()) {
    args.keys[to + i] = 0;
    args.ids[to + i] = 0;
  }
}

/// SplitMix64 (Steele, Lea, Flood 2014), its upper 53 bits as a number in [0, 1).
DEVICE double uniform(uint64_t* state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

/// Weights and ids of what may be drawn, in order; one thread's.
struct Candidates {
  Shared<double> weights;
  Shared<int32_t> ids;
  int count;

  DEVICE_MEMBER double sum() const {
    double total = 0;
    for (int i = 0; i < count; ++i) total += weights[i];
    return total;
  }
  DEVICE_MEMBER void drop_below(double least) {
    int kept = 0;
    for (int i = 0; i < count; ++i) {
      if (weights[i] < least) continue;
      weights[kept] = static_cast<double>(weights[i]);
      ids[kept] = static_cast<int32_t>(ids[i]);
      ++kept;
    }
    count = kept;
  }
  /// By falling weight, then rising id.
  DEVICE_MEMBER void sort() {
    for (int i = 1; i < count; ++i) {
      const double weight = weights[i];
      const int32_t id = ids[i];
      int at = i;
      for (; at > 0 && (weights[at - 1] < weight || (weights[at - 1] == weight && ids[at - 1] > id)); --at) {
        weights[at] = static_cast<double>(weights[at - 1]);
        ids[at] = static_cast<int32_t>(ids[at - 1]);
      }
      weights[at] = weight;
      ids[at] = id;
    }
  }
  DEVICE_MEMBER void keep_top(double share) {
    const double total = sum(), wanted = product(share, total);
    drop_below((total - wanted) / count);
    sort();
    double reached = 0;
    for (int i = 0; i < count; ++i) {
      reached += weights[i];
      if (reached >= wanted) {
        count = i + 1;
        return;
      }
    }
  }
  DEVICE_MEMBER int32_t draw(double at) const {
    double left = product(at, sum());
    for (int i = 0; i < count; ++i) {
      left -= weights[i];
      if (left < 0) return ids[i];
    }
    return ids[count - 1];
  }
};

DEVICE_KERNEL(sampling_kernel, SamplingArgs) {
  const Shared<float> scratch = shared_memory<float>(0);
  size_t used = 2 * kWarp * sizeof(float);
  const Shared<double> weights = shared_memory<double>(used);
  used += kSamplingMost * sizeof(double);
  const Shared<uint32_t> found_keys = shared_memory<uint32_t>(used);
  const Shared<int32_t> found_ids = shared_memory<int32_t>(used + kSamplingMost * sizeof(uint32_t));
  used += 2 * kSamplingMost * sizeof(uint32_t);
  const Shared<uint32_t> sorted_keys = shared_memory<uint32_t>(used);
  const Shared<int32_t> sorted_ids = shared_memory<int32_t>(used + kSamplingMost * sizeof(uint32_t));
  used += 2 * kSamplingMost * sizeof(uint32_t);
  const Shared<uint32_t> keys = shared_memory<uint32_t>(used);

  for (int i = thread(); i < args.candidates; i += block_threads()) keys[i] = args.keys[i];
  sync_block();
  const int count = select_largest(keys, args.candidates, args.keep, scratch, [&](int place, int i) {
    found_keys[place] = static_cast<uint32_t>(keys[i]);
    found_ids[place] = args.ids[i];
  });
  sync_block();
  if (count == 0) {
    if (thread() == 0) *args.id = kSampledNothing;
    return;
  }
  // Ranks by falling key, then rising id, which is the order they stand in.
  for (int i = thread(); i < count; i += block_threads()) {
    const uint32_t key = found_keys[i];
    int rank = 0;
    for (int j = 0; j < count; ++j) rank += found_keys[j] > key || (found_keys[j] == key && j < i);
    sorted_keys[rank] = key;
    sorted_ids[rank] = static_cast<int32_t>(found_ids[i]);
  }
  sync_block();
  const uint32_t top_key = sorted_keys[0];
  const float top = logit_of(top_key);
  const bool greedy = args.temperature == 0 || top == kInfinity;
  if (top_key == kNanKey || greedy) {
    if (thread() == 0) *args.id = top_key == kNanKey ? kSampledNan : static_cast<int32_t>(sorted_ids[0]);
    return;
  }
  const Shared<uint32_t> drawn_keys = args.sorted ? sorted_keys : found_keys;
  for (int i = thread(); i < count; i += block_threads())
    weights[i] = static_cast<double>(nearest_exp((logit_of(drawn_keys[i]) - top) / args.temperature));
  sync_block();
  if (thread() > 0) return;
  Candidates candidates{weights, args.sorted ? sorted_ids : found_ids, count};
  if (args.top_p < 1) candidates.keep_top(static_cast<double>(args.top_p));
  if (args.min_p > 0) candidates.drop_below(static_cast<double>(args.min_p));
  *args.id = candidates.draw(uniform(args.state));
}

}  // namespace halftone::cuda
