#include "backend/cuda/attention/masked_attention_kernels.h"

namespace halftone::cuda {
namespace {

DEVICE const float* vector_of(const MaskedAttentionArgs& args, const float* fresh, const HeadsView& fresh_at,
                              const float* past, const HeadsView& past_at, int key) {
  const int64_t sequence = block_z(), head = block_y() / args.group;
  if (key < args.past && past)
    return past + sequence * past_at.sequence + key * past_at.row + head * past_at.head;
  return fresh + sequence * fresh_at.sequence + (key - (past ? args.past : 0)) * fresh_at.row +
         head * fresh_at.head;
}

/// What is added to a score; -infinity for what is hidden.
DEVICE float addend(const MaskedAttentionArgs& args, int row, int key) {
  int past = args.past;
  if (args.valid_keys) {
    const int64_t valid = args.valid_keys[block_z()];
    if (key >= valid) return -kInfinity;
    past = static_cast<int>(valid) - args.rows;
  }
  if (args.causal && key > past + row) return -kInfinity;
  if (args.window > 0 && key <= past + row - args.window) return -kInfinity;
  if (!args.mask) return 0;
  if (key >= args.mask_keys) return -kInfinity;
  const int64_t at = block_z() * args.mask_steps[0] + block_y() * args.mask_steps[1] +
                     row * args.mask_steps[2] + key * args.mask_steps[3];
  if (args.mask_is_bool) return static_cast<const uint8_t*>(args.mask)[at] ? 0 : -kInfinity;
  return static_cast<const float*>(args.mask)[at];
}

}  // namespace

DEVICE_KERNEL(masked_attention_kernel, MaskedAttentionArgs) {
  const Shared<float> queries = shared_memory<float>(0);
  const Shared<float> sums = queries + kMaskedRows * args.dim;
  const Shared<float> weights = sums + kMaskedRows * args.value_dim;
  const Shared<float> scratch = weights + kMaskedRows * kMaskedThreads;
  const int first = block_x() * kMaskedRows, keys = (args.past_keys ? args.past : 0) + args.length;
  const float* query = args.query + block_z() * args.query_at.sequence + block_y() * args.query_at.head;
  for (int i = thread(); i < kMaskedRows * args.dim; i += block_threads()) {
    const int row = first + i / args.dim;
    queries[i] = row < args.rows ? query[row * args.query_at.row + i % args.dim] : 0;
  }
  for (int i = thread(); i < kMaskedRows * args.value_dim; i += block_threads()) sums[i] = 0;
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
      const float* at = vector_of(args, args.keys, args.key_at, args.past_keys, args.past_key_at, key);
      for (int d = 0; d < args.dim; ++d) {
        const float number = at[d];
        UNROLL
        for (int r = 0; r < kMaskedRows; ++r)
          scores[r] = multiply_add(queries[r * args.dim + d], number, scores[r]);
      }
    }
    float keep[kMaskedRows];
    UNROLL
    for (int r = 0; r < kMaskedRows; ++r) {
      float score = scores[r] * args.scale;
      if (args.softcap > 0) score = args.softcap * accurate_tanh(score / args.softcap);
      const float more = key < keys && first + r < args.rows ? addend(args, first + r, key) : -kInfinity;
      score = more == -kInfinity ? more : score + more;  // what is hidden may be NaN
      const float top = block_max(score, scratch), before = highest[r];
      highest[r] = top > before ? top : before;
      const float base = highest[r] == -kInfinity ? 0 : highest[r];
      const float weight = accurate_exp(score - base);
      keep[r] = accurate_exp(before - base);
      weights[r * kMaskedThreads + thread()] = weight;
      totals[r] = totals[r] * keep[r] + block_sum(weight, scratch + kWarp);
    }
    sync_block();
    for (int d = thread(); d < args.value_dim; d += block_threads()) {
      float sum[kMaskedRows];
      UNROLL
      for (int r = 0; r < kMaskedRows; ++r) sum[r] = sums[r * args.value_dim + d] * keep[r];
      for (int i = 0; i < count; ++i) {
        const float value =
            vector_of(args, args.values, args.value_at, args.past_values, args.past_value_at, begin + i)[d];
        UNROLL
        for (int r = 0; r < kMaskedRows; ++r) {
          const float weight = weights[r * kMaskedThreads + i];
          if (weight != 0) sum[r] = multiply_add(weight, value, sum[r]);  // what is hidden may be infinite
        }
      }
      UNROLL
      for (int r = 0; r < kMaskedRows; ++r) sums[r * args.value_dim + d] = sum[r];
    }
    sync_block();
  }
  float* result = args.result + block_z() * args.result_at.sequence + block_y() * args.result_at.head;
  UNROLL
  for (int r = 0; r < kMaskedRows; ++r) {
    if (first + r >= args.rows) continue;
    const float inverse = totals[r] > 0 ? 1 / totals[r] : totals[r] == 0 ? 0.0f : totals[r];  // NaN stays
    for (int d = thread(); d < args.value_dim; d += block_threads())
      result[(first + r) * args.result_at.row + d] = sums[r * args.value_dim + d] * inverse;
  }
}

}  // namespace halftone::cuda
