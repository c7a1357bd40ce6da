#pragma once

#include "backend/cuda/device/device.h"

namespace halftone::cuda {

/// Keys, or values, of all heads in blocks of tokens: element d of (block, head, slot) is element d of the
/// numbers at block * block_bytes + head * head_bytes + slot * token_bytes.
struct KvSide {
  std::byte* data;
  int64_t block_bytes, head_bytes, token_bytes;
  float* scales;  ///< int8: of (block, head, slot) at block * block_scales + head * head_scales + slot
  int64_t block_scales, head_scales;

  DEVICE_MEMBER
  std::byte* at(int64_t block, int head, int slot) const {
    return data + block * block_bytes + head * head_bytes + slot * token_bytes;
  }
  DEVICE_MEMBER
  float* scale_at(int64_t block, int head, int slot) const {
    return scales + block * block_scales + head * head_scales + slot;
  }
};

/// Vectors of heads: that of row r of sequence s (its own r, not the flat axis') and head h is at
/// s * sequence + (first_row + r) * row + h * head.
struct HeadsView {
  int64_t sequence, row, head;
};

/// What attends to what. Row r of a sequence stands at position past + r of it and sees the positions up to
/// its own (`causal`) or all `keys`, and no more than the last `window` (0: all) up to its own.
struct AttentionView {
  const float* query;
  float* result;
  HeadsView query_at, result_at;
  KvSide keys, values;
  const int32_t* sequences;  ///< [sequence_count, 3]: first row, rows, past; null: `rows` each, no past
  const int32_t* blocks;     ///< [sequence_count, width]; null: sequence s has block s alone
  int sequence_count, width;
  int rows;          ///< of all sequences together, or of each where `sequences` is null
  int dense_keys;    ///< where `sequences` is null: keys of each
  int heads, group;  ///< query heads, and how many of them share a head of keys
  int dim, value_dim;
  int block_tokens;
  int block_shift;  ///< its logarithm where it is a power of two
  int window;
  float scale, softcap;
  bool causal;
};

struct Sequence {
  int index, first_row, rows, past, keys;
};

DEVICE Sequence sequence_at(const AttentionView& view, int s) {
  if (!view.sequences) return {s, 0, view.rows, 0, view.dense_keys};
  const int32_t* row = view.sequences + 3 * s;
  return {s, row[0], row[1], row[2], row[1] + row[2]};
}

/// The sequence that has row `row` of the flat axis of tokens; index -1: none has. For all threads of a
/// block; `found` is used until the next barrier.
DEVICE Sequence sequence_of_row(const AttentionView& view, int row, Shared<int> found) {
  if (!view.sequences) return sequence_at(view, row / view.rows);
  if (view.sequence_count == 1) {
    const Sequence all = sequence_at(view, 0);
    return row >= all.first_row && row < all.first_row + all.rows ? all : Sequence{-1, 0, 0, 0, 0};
  }
  if (thread() == 0) found[0] = -1;
  sync_block();
  for (int s = thread(); s < view.sequence_count; s += block_threads()) {
    const int first = view.sequences[3 * s];
    if (row >= first && row < first + view.sequences[3 * s + 1]) found[0] = s;
  }
  sync_block();
  const int s = found[0];
  return s < 0 ? Sequence{-1, 0, 0, 0, 0} : sequence_at(view, s);
}

/// The positions that a row sees: [first, end).
struct Seen {
  int first, end;
};
DEVICE Seen seen_by(const AttentionView& view, const Sequence& sequence, int row) {
  const int own = sequence.past + row;
  const int end = view.causal && own + 1 < sequence.keys ? own + 1 : sequence.keys;
  const int first = view.window > 0 && own + 1 > view.window ? own + 1 - view.window : 0;
  return {first, end > first ? end : first};
}

DEVICE int64_t block_of(const AttentionView& view, int s, int number) {
  return view.blocks ? view.blocks[int64_t{s} * view.width + number] : s;
}

DEVICE int64_t vector_at(const HeadsView& view, const Sequence& sequence, int row, int head) {
  return sequence.index * view.sequence + int64_t{sequence.first_row + row} * view.row + head * view.head;
}

/// The scaled product of a query and a key as softmax sees it. The cap errs by about 2^-22 of itself.
DEVICE float capped(const AttentionView& view, float score) {
  if (view.softcap <= 0) return score;
  return view.softcap * (1 - 2 / (1 + fast_exp(2 * score / view.softcap)));
}

// Tensor-Core kernels keep scores as exponents of two, which costs a product less for each weight.
constexpr float kLog2E = 1.44269504f;
/// What queries are multiplied by: a product with a key is then a score, an exponent where there is no cap.
DEVICE float query_factor(const AttentionView& view) {
  return view.softcap > 0 ? view.scale : view.scale * kLog2E;
}
/// An exponent, where there is a cap: c tanh(x / c) as c - 2c / (1 + e^(2x / c)), which errs by about 2^-21
/// of c.
DEVICE float capped_exponent(float softcap, float score) {
  const float e = fast_exp2(score * (2 * kLog2E) * fast_reciprocal(softcap));
  return softcap * kLog2E * (1 - 2 * fast_reciprocal(1 + e));
}
/// Scores may stand this much above the one that weights are taken from: weights are below 2^8 then, which
/// f16 and sums hold as well, and what was summed before need not be scaled at every step.
constexpr float kSlack = 8;

DEVICE float kv_number(float value) {
  return value;
}
DEVICE float kv_number(f16 value) {
  return to_f32(value);
}
DEVICE float kv_number(bf16 value) {
  return to_f32(value);
}
DEVICE float kv_number(int8_t code) {
  return static_cast<float>(code);
}

}  // namespace halftone::cuda
