#include "backend/cuda/attention/tiled_attention.h"

#include <algorithm>

#include "backend/cuda/attention/dense_view.h"
#include "backend/cuda/attention/stored_heads_kernels.h"
#include "backend/cuda/attention/tiled_attention_kernels.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/float_types.h"
#include "base/checked.h"
#include "core/short_floats.h"

namespace halftone::cuda {
namespace {

constexpr size_t kNumber = sizeof(uint16_t);

int64_t padded(const HeadsExtent& e) {
  return round_up<int64_t>(e.dim, 8);
}

/// Where keys and values of 16 bits lie in a workspace, with what is found on the way there.
struct Places {
  size_t values, largest, back, bytes;

  Places(const OpSite& site, const AttentionExtents& e) {
    const auto heads = static_cast<size_t>(e.k.batch * e.k.heads);
    const auto length = static_cast<size_t>(past_length(site) + e.k.length);
    size_t end = 0;
    const auto after = [&](size_t count) { return end = round_up(end + count, size_t{256}); };
    values = after(heads * length * static_cast<size_t>(padded(e.k)) * kNumber);
    largest = after(heads * length * static_cast<size_t>(padded(e.v)) * kNumber);
    back = after(2 * heads * ceil_div(length, size_t{kHeadsChunk}) * sizeof(int));
    bytes = after(2 * heads * sizeof(float));
  }
};

bool may_stay(const OpSite& site, const AttentionExtents& e) {
  return is_short_float(site.outputs[0].dtype) && past_length(site) == 0 && e.k.dim % 8 == 0 &&
         e.v.dim % 8 == 0;
}

KvSide stored_side(std::byte* data, const HeadsExtent& e, int64_t length) {
  KvSide side{};
  side.data = data;
  side.token_bytes = padded(e) * static_cast<int64_t>(kNumber);
  side.head_bytes = length * side.token_bytes;
  side.block_bytes = e.heads * side.head_bytes;
  return side;
}

/// Brings keys and values to the workspace.
void store_heads(Device& device, const KernelRun& run, const AttentionExtents& e, const ScoreMask* mask,
                 AttentionView& view, RangedEnds& ends) {
  const OpSite& site = run.site;
  const Places places(site, e);
  std::byte* memory = run.workspace.data();
  auto* back = reinterpret_cast<float*>(memory + places.back);
  const int64_t heads = e.k.batch * e.k.heads;
  const auto side = [&](const HeadsExtent& fresh, size_t input, size_t older, std::byte* to, float* to_back) {
    const HeadsExtent past{fresh.batch, fresh.heads, past_length(site), fresh.dim, false};
    return HeadsSide{run.inputs[input].tensor.data,
                     past.length > 0 ? run.inputs[older].tensor.data : nullptr,
                     heads_view(fresh),
                     heads_view(past),
                     reinterpret_cast<uint16_t*>(to),
                     to_back,
                     static_cast<int>(fresh.dim),
                     static_cast<int>(padded(fresh))};
  };
  const int64_t length = past_length(site) + e.k.length;
  const StoredHeadsArgs args{
      {side(e.k, kAttentionKeys, kAttentionPastKeys, memory, back),
       side(e.v, kAttentionValues, kAttentionPastValues, memory + places.values, back + heads)},
      reinterpret_cast<int*>(memory + places.largest),
      mask ? mask->valid_keys : nullptr,
      static_cast<int>(past_length(site)),
      static_cast<int>(length),
      static_cast<int>(e.k.heads),
      static_cast<int>(e.k.batch)};
  view.keys = stored_side(memory, e.k, length);
  view.values = stored_side(memory + places.values, e.v, length);
  const Launch shape{{static_cast<int>(ceil_div<int64_t>(length, kHeadsChunk)), static_cast<int>(e.k.heads),
                      static_cast<int>(2 * e.k.batch)},
                     kHeadsThreads,
                     kHeadsShared};
  if (length == 0) return;
  if (is_short_float(site.outputs[0].dtype)) return device.launch(heads_as_they_are, shape, args);
  device.launch(heads_largest, shape, args);
  device.launch(heads_as_f16, shape, args);
  ends.key_back = back;
  ends.value_back = back + heads;
}

template <class Args>
struct ByDim {
  const DeviceKernel<Args>*dim_64, *dim_128, *dim_256, *dim_512;
};

template <class Args>
void launch_tiles(Device& device, const ByDim<Args>& kernels, const Args& args) {
  const int dim = std::max(args.view.dim, args.view.value_dim);
  const int stored = dim <= 64 ? 64 : dim <= 128 ? 128 : dim <= 256 ? 256 : 512;
  const auto* kernel = dim <= 64    ? kernels.dim_64
                       : dim <= 128 ? kernels.dim_128
                       : dim <= 256 ? kernels.dim_256
                                    : kernels.dim_512;
  const AttentionView& view = args.view;
  const int tiles = view.sequence_count * ceil_div(view.rows * view.group, prefill_vectors(stored));
  device.launch(
      *kernel, {{tiles * (view.heads / view.group)}, prefill_threads(stored), tiled_attention_shared(stored)},
      args);
}

constexpr ByDim<TiledAttentionArgs> kHalf{&attention_tiles_f16_64, &attention_tiles_f16_128,
                                          &attention_tiles_f16_256, &attention_tiles_f16_512};
constexpr ByDim<TiledAttentionArgs> kBrain{&attention_tiles_bf16_64, &attention_tiles_bf16_128,
                                           &attention_tiles_bf16_256, &attention_tiles_bf16_512};
constexpr ByDim<MaskedTiledAttentionArgs> kMaskedHalf{
    &attention_masked_tiles_f16_64, &attention_masked_tiles_f16_128, &attention_masked_tiles_f16_256,
    &attention_masked_tiles_f16_512};
constexpr ByDim<MaskedTiledAttentionArgs> kMaskedBrain{
    &attention_masked_tiles_bf16_64, &attention_masked_tiles_bf16_128, &attention_masked_tiles_bf16_256,
    &attention_masked_tiles_bf16_512};

}  // namespace

bool takes_tiles(const AttentionExtents& e) {
  const auto fits = [](int64_t dim) { return dim % 2 == 0 && dim <= 512; };
  return fits(e.k.dim) && fits(e.v.dim);
}

size_t tiled_attention_workspace(const OpSite& site) {
  return Places(site, AttentionExtents(site)).bytes;
}

void run_tiled_attention(Device& device, const KernelRun& run, const ScoreMask* mask) {
  const AttentionExtents e(run.site);
  AttentionView view = dense_view(run, e);
  view.dense_keys += static_cast<int>(past_length(run.site));
  RangedEnds ends{floats_of(run.inputs[0]), floats_of(run.outputs[0]), nullptr, nullptr};
  const auto *keys = run.inputs[kAttentionKeys].tensor.data,
             *values = run.inputs[kAttentionValues].tensor.data;
  if (may_stay(run.site, e) && all_aligned_16(keys, values)) {
    view.keys = dense_side(run.inputs[kAttentionKeys], e.k, kNumber);
    view.values = dense_side(run.inputs[kAttentionValues], e.v, kNumber);
  } else {
    store_heads(device, run, e, mask, view, ends);
  }
  const bool is_brain = run.outputs[0].dtype == DType::bf16;
  if (mask)
    launch_tiles<MaskedTiledAttentionArgs>(device, is_brain ? kMaskedBrain : kMaskedHalf,
                                           {view, ends, *mask});
  else
    launch_tiles<TiledAttentionArgs>(device, is_brain ? kBrain : kHalf, {view, ends});
}

}  // namespace halftone::cuda
