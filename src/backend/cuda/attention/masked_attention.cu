#include "backend/cuda/attention/masked_attention_kernels.h"

namespace halftone::cuda {
namespace {

template <class T>
DEVICE const T* vector_of(const MaskedAttentionArgs& args, const void* all_fresh, const HeadsView& fresh_at,
                          const void* all_past, const HeadsView& past_at, int key) {
  const auto *fresh = static_cast<const T*>(all_fresh), *past = static_cast<const T*>(all_past);
  const int64_t sequence = block_z(), head = block_y() / args.view.group;
  if (key < args.mask.past)
    return past + sequence * past_at.sequence + key * past_at.row + head * past_at.head;
  return fresh + sequence * fresh_at.sequence + (key - args.mask.past) * fresh_at.row + head * fresh_at.head;
}

template <class T>
DEVICE void masked_attention(const MaskedAttentionArgs& args) {
  const AttentionView& view = args.view;
  const Shared<float> queries = shared_memory<float>(0);
  const Shared<float> sums = queries + kMaskedRows * view.dim;
  const Shared<float> weights = sums + kMaskedRows * view.value_dim;
  const Shared<float> scratch = weights + kMaskedRows * kMaskedThreads;
  const Sequence sequence = args.mask.place(sequence_at(view, block_z()));
  const int first = block_x() * kMaskedRows, keys = sequence.keys;
  const T* query = static_cast<const T*>(args.queries) + block_z() * view.query_at.sequence +
                   block_y() * view.query_at.head;
  for (int i = thread(); i < kMaskedRows * view.dim; i += block_threads()) {
    const int row = first + i / view.dim;
    queries[i] = row < view.rows ? to_f32(query[row * view.query_at.row + i % view.dim]) : 0.0f;
  }
  for (int i = thread(); i < kMaskedRows * view.value_dim; i += block_threads()) sums[i] = 0;
  sync_block();

  float highest[kMaskedRows], totals[kMaskedRows];
  UNROLL
  for (int r = 0; r < kMaskedRows; ++r) {
    highest[r] = -kInfinity;
    totals[r] = 0;
  }
  for (int begin = 0; begin < keys; begin += kMaskedThreads) {
    const int key = begin + thread(), count = keys - begin < kMaskedThreads ? keys - begin : kMaskedThreads;
    float scores[kMaskedRows] = {};
    if (key < keys) {
      const T* at = vector_of<T>(args, args.keys, args.key_at, args.past_keys, args.past_key_at, key);
      for (int d = 0; d < view.dim; ++d) {
        const float number = to_f32(at[d]);
        UNROLL
        for (int r = 0; r < kMaskedRows; ++r)
          scores[r] = multiply_add(queries[r * view.dim + d], number, scores[r]);
      }
    }
    float keep[kMaskedRows];
    UNROLL
    for (int r = 0; r < kMaskedRows; ++r) {
      float score = scores[r] * view.scale;
      if (view.softcap > 0) score = view.softcap * accurate_tanh(score / view.softcap);
      const Seen seen = seen_by(view, sequence, first + r);
      score = key >= seen.first && key < seen.end && first + r < view.rows
                  ? masked(score, args.mask.addend(block_z(), block_y(), first + r, key))
                  : -kInfinity;
      const float top = block_max(score, scratch), before = highest[r];
      highest[r] = top > before ? top : before;
      const float base = highest[r] == -kInfinity ? 0 : highest[r];
      const float weight = accurate_exp(score - base);
      keep[r] = accurate_exp(before - base);
      weights[r * kMaskedThreads + thread()] = weight;
      totals[r] = totals[r] * keep[r] + block_sum(weight, scratch + kWarp);
    }
    sync_block();
    for (int d = thread(); d < view.value_dim; d += block_threads()) {
      float sum[kMaskedRows];
      UNROLL
      for (int r = 0; r < kMaskedRows; ++r) sum[r] = sums[r * view.value_dim + d] * keep[r];
      for (int i = 0; i < count; ++i) {
        const float value = to_f32(vector_of<T>(args, args.values, args.value_at, args.past_values,
                                                args.past_value_at, begin + i)[d]);
        UNROLL
        for (int r = 0; r < kMaskedRows; ++r) {
          const float weight = weights[r * kMaskedThreads + i];
          if (weight != 0) sum[r] = multiply_add(weight, value, sum[r]);  // what is hidden may be infinite
        }
      }
      UNROLL
      for (int r = 0; r < kMaskedRows; ++r) sums[r * view.value_dim + d] = sum[r];
    }
    sync_block();
  }
  T* result =
      static_cast<T*>(args.results) + block_z() * view.result_at.sequence + block_y() * view.result_at.head;
  UNROLL
  for (int r = 0; r < kMaskedRows; ++r) {
    if (first + r >= view.rows) continue;
    const float inverse = totals[r] > 0 ? 1 / totals[r] : totals[r] == 0 ? 0.0f : totals[r];  // NaN stays
    for (int d = thread(); d < view.value_dim; d += block_threads())
      result[(first + r) * view.result_at.row + d] = from_f32<T>(sums[r * view.value_dim + d] * inverse);
  }
}

}  // namespace

DEVICE_KERNEL(masked_attention_f32, MaskedAttentionArgs) {
  masked_attention<float>(args);
}
DEVICE_KERNEL(masked_attention_f16, MaskedAttentionArgs) {
  masked_attention<f16>(args);
}
DEVICE_KERNEL(masked_attention_bf16, MaskedAttentionArgs) {
  masked_attention<bf16>(args);
}

}  // namespace halftone::cuda
