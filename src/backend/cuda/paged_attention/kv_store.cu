#include "backend/cuda/paged_attention/kv_store_kernels.h"
#include "backend/cuda/paged_attention/stored_token.h"

namespace halftone::cuda {

template <class T>
DEVICE void store_rows(const KvStoreArgs& args) {
  const AttentionView& view = args.view;
  const int row = block_x(), unit = block_y() * block_warps() + warp();
  const int head = unit / 2;
  const bool is_key = unit % 2 == 0, there = unit < 2 * args.kv_heads;
  const float* from = (is_key ? args.key : args.value) + (int64_t{row} * args.kv_heads + head) * view.dim;
  // Asked for before it is known where it goes.
  const bool holds = can_hold_token(view.dim);
  HeldToken held{};
  if (there && holds) held = hold_token(from, view.dim);
  const Sequence sequence = sequence_of_row(view, row, shared_memory<int>(0));
  if (sequence.index < 0) {
    const int width = view.heads * view.value_dim;
    for (int i = block_y() * block_threads() + thread(); i < width; i += grid_y() * block_threads())
      view.result[int64_t{row} * width + i] = 0;
    return;
  }
  if (!there) return;
  const int position = sequence.past + row - sequence.first_row;
  const int64_t block = block_of(view, sequence.index, position / view.block_tokens);
  const int slot = position % view.block_tokens;
  const KvSide& side = is_key ? view.keys : view.values;
  if (holds)
    put_token<T>(held, view.dim, side, block, head, slot);
  else
    store_token<T>(from, view.dim, side, block, head, slot);
}

DEVICE_KERNEL(kv_store_f32, KvStoreArgs) {
  store_rows<float>(args);
}
DEVICE_KERNEL(kv_store_f16, KvStoreArgs) {
  store_rows<f16>(args);
}
DEVICE_KERNEL(kv_store_bf16, KvStoreArgs) {
  store_rows<bf16>(args);
}
DEVICE_KERNEL(kv_store_int8, KvStoreArgs) {
  store_rows<int8_t>(args);
}

}  // namespace halftone::cuda
