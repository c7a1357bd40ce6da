#include "backend/cuda/paged_attention/attention_plain_kernels.h"

namespace halftone::cuda {

template <class T>
DEVICE float key_score(const AttentionView& view, Shared<float> query, const Sequence& sequence, int kv_head,
                       int position) {
  const int64_t block = block_of(view, sequence.index, position / view.block_tokens);
  const int slot = position % view.block_tokens;
  const T* key = reinterpret_cast<const T*>(view.keys.at(block, kv_head, slot));
  float dot = 0;
  for (int d = 0; d < view.dim; ++d) dot = multiply_add(query[d], kv_number(key[d]), dot);
  if constexpr (sizeof(T) == 1) dot *= *view.keys.scale_at(block, kv_head, slot);
  return capped(view, dot * view.scale);
}

/// Adds the weighted values of `count` positions from `begin` on to the elements of the sum that are this
/// thread's, after scaling them.
template <class T>
DEVICE void add_values(const AttentionView& view, const Sequence& sequence, int kv_head, int begin, int count,
                       Shared<float> weights, float keep, Shared<float> sum) {
  for (int d = thread(); d < view.value_dim; d += block_threads()) {
    float total = sum[d] * keep;
    for (int i = 0; i < count; ++i) {
      const int position = begin + i;
      const int64_t block = block_of(view, sequence.index, position / view.block_tokens);
      const int slot = position % view.block_tokens;
      float value = kv_number(reinterpret_cast<const T*>(view.values.at(block, kv_head, slot))[d]);
      if constexpr (sizeof(T) == 1) value *= *view.values.scale_at(block, kv_head, slot);
      total = multiply_add(weights[i], value, total);
    }
    sum[d] = total;
  }
}

template <class T>
DEVICE void attend_plainly(const AttentionView& view) {
  const int head = block_y(), kv_head = head / view.group;
  const Shared<float> query = shared_memory<float>(0);
  const Shared<float> sum = query + (view.dim + 3) / 4 * 4;
  const Shared<float> weights = sum + (view.value_dim + 3) / 4 * 4;
  const Shared<float> scratch = weights + kPlainThreads;
  const Shared<int> found = shared_memory<int>(
      sizeof(float) *
      static_cast<size_t>((view.dim + 3) / 4 * 4 + (view.value_dim + 3) / 4 * 4 + kPlainThreads + 2 * kWarp));
  const Sequence sequence = sequence_of_row(view, block_x(), found);
  if (sequence.index < 0) return;
  const int row = view.sequences ? block_x() - sequence.first_row : block_x() % view.rows;
  const float* from = view.query + vector_at(view.query_at, sequence, row, head);
  for (int d = thread(); d < view.dim; d += block_threads()) query[d] = from[d];
  for (int d = thread(); d < view.value_dim; d += block_threads()) sum[d] = 0;
  sync_block();

  const Seen seen = seen_by(view, sequence, row);
  float highest = -kInfinity, total = 0;
  for (int begin = seen.first; begin < seen.end; begin += kPlainThreads) {
    const int count = seen.end - begin < kPlainThreads ? seen.end - begin : kPlainThreads;
    const float score =
        thread() < count ? key_score<T>(view, query, sequence, kv_head, begin + thread()) : -kInfinity;
    const float top = block_max(score, scratch), before = highest;
    highest = top > highest ? top : highest;
    const float weight = accurate_exp(score - highest), keep = accurate_exp(before - highest);
    weights[thread()] = weight;
    total = total * keep + block_sum(weight, scratch + kWarp);
    add_values<T>(view, sequence, kv_head, begin, count, weights, keep, sum);
    sync_block();
  }
  float* to = view.result + vector_at(view.result_at, sequence, row, head);
  const float inverse = total > 0 ? 1 / total : total == 0 ? 0.0f : total;  // NaN stays
  for (int d = thread(); d < view.value_dim; d += block_threads()) to[d] = sum[d] * inverse;
}

DEVICE_KERNEL(attention_plain_f32, AttentionView) {
  attend_plainly<float>(args);
}
DEVICE_KERNEL(attention_plain_f16, AttentionView) {
  attend_plainly<f16>(args);
}
DEVICE_KERNEL(attention_plain_bf16, AttentionView) {
  attend_plainly<bf16>(args);
}
DEVICE_KERNEL(attention_plain_int8, AttentionView) {
  attend_plainly<int8_t>(args);
}

}  // namespace halftone::cuda
