#include "backend/cuda/paged_attention/kv_store_kernels.h"

namespace halftone::cuda {

/// Below this a row counts as zero (kSmallestAbsmax of scheme/dynamic.h).
constexpr float kSmallestAbsmax = 0x1p-120f;

DEVICE void store_quantized(const float* from, int dim, int8_t* to, float* scale) {
  int magnitude = 0;
  for (int d = lane(); d < dim; d += kWarp) {
    const int bits = static_cast<int>(bits_of(from[d]) & 0x7fffffffu);
    magnitude = bits > magnitude ? bits : magnitude;
  }
  magnitude = warp_max(magnitude);
  const float absmax = float_of(static_cast<uint32_t>(magnitude));
  const bool finite = magnitude < 0x7f800000;
  const bool zero = !finite || absmax < kSmallestAbsmax;
  const float inverse = zero ? 0.0f : 127.0f / absmax;
  for (int d = lane(); d < dim; d += kWarp)
    to[d] = zero ? int8_t{0} : static_cast<int8_t>(round_to_int(product(from[d], inverse)));
  if (lane() == 0) *scale = zero ? (finite ? 0.0f : float_of(0x7fc00000u)) : absmax / 127.0f;
}

template <class T>
DEVICE void store_rows(const KvStoreArgs& args) {
  const AttentionView& view = args.view;
  const int row = block_x(), unit = block_y() * block_warps() + warp();
  const Sequence sequence = sequence_of_row(view, row, shared_memory<int>(0));
  if (sequence.index < 0) {
    const int width = view.heads * view.value_dim;
    for (int i = block_y() * block_threads() + thread(); i < width; i += grid_y() * block_threads())
      view.result[int64_t{row} * width + i] = 0;
    return;
  }
  if (unit >= 2 * args.kv_heads) return;
  const int head = unit / 2;
  const bool is_key = unit % 2 == 0;
  const int position = sequence.past + row - sequence.first_row;
  const int64_t block = block_of(view, sequence.index, position / view.block_tokens);
  const int slot = position % view.block_tokens;
  const KvSide& side = is_key ? view.keys : view.values;
  const float* from = (is_key ? args.key : args.value) + (int64_t{row} * args.kv_heads + head) * view.dim;
  T* to = reinterpret_cast<T*>(side.at(block, head, slot));
  if constexpr (sizeof(T) == 1)
    store_quantized(from, view.dim, to, side.scale_at(block, head, slot));
  else
    for (int d = lane(); d < view.dim; d += kWarp) to[d] = from_f32<T>(from[d]);
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
