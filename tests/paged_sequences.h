#pragma once

#include "backend/kernel.h"
#include "backend/kv_reader.h"
#include "op_run.h"
#include "ops/paged_attention/paged_attention.h"

namespace halftone {

/// The sequences and blocks inputs of PagedAttention for `spans`, and how many blocks they take. Blocks are
/// dealt out in turns, so that no sequence has its own side by side.
struct PagedSequences {
  Tensor sequences;
  Tensor blocks;
  int block_count = 0;
  int64_t tokens = 0;

  PagedSequences(std::span<const SequenceSpan> spans, int block_tokens) {
    int widest = 1;
    auto blocks_of = [&](const SequenceSpan& s) {
      return (s.past + s.rows + block_tokens - 1) / block_tokens;
    };
    for (const SequenceSpan& s : spans) widest = std::max(widest, blocks_of(s));
    const auto count = static_cast<int64_t>(spans.size());
    sequences = Tensor::allocate(DType::i32, {count, 3});
    blocks = Tensor::allocate(DType::i32, {count, widest});
    const auto table = blocks.mutable_view().span<int32_t>();
    std::fill(table.begin(), table.end(), -1);
    for (int b = 0; b < widest; ++b)
      for (size_t s = 0; s < spans.size(); ++s)
        if (b < blocks_of(spans[s]))
          table[s * static_cast<size_t>(widest) + static_cast<size_t>(b)] = block_count++;
    const auto rows = sequences.mutable_view().span<int32_t>();
    for (size_t s = 0; s < spans.size(); ++s) {
      rows[3 * s] = spans[s].first_row;
      rows[3 * s + 1] = spans[s].rows;
      rows[3 * s + 2] = spans[s].past;
      tokens = std::max<int64_t>(tokens, spans[s].first_row + spans[s].rows);
    }
  }
};

/// `layout` in the order in which a kernel reads it fastest.
inline KvCache::Layout in_best_order(KvCache::Layout layout, const Kernel& kernel, ThreadPool& threads) {
  OpRun use(paged_attention_schema(), {{"num_heads", int64_t{layout.kv_heads}}});
  const Shape width = {1, int64_t{layout.kv_heads} * layout.head_dim};
  use.type(DType::f32, width).type(DType::f32, width).type(DType::f32, width);
  use.type(DType::i32, {1, 3}).type(DType::i32, {1, 1}).type(DType::state, {});
  const std::unique_ptr<PreparedKernel> prepared = kernel.prepare(use.site(), threads);
  if (const auto* reader = dynamic_cast<const KvReader*>(prepared.get()))
    layout.order = reader->best_order(layout);
  return layout;
}

}  // namespace halftone
