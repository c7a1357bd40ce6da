#include "ops/paged_attention/paged_attention.h"

#include "backend/cuda/cuda.h"
#include "backend/cuda/paged_attention/attention_plain_kernels.h"
#include "backend/cuda/paged_attention/kv_store_kernels.h"
#include "backend/float_site.h"
#include "base/checked.h"

namespace halftone::cuda {
namespace {

enum Input : size_t { kQuery, kKey, kValue, kSequences, kBlocks, kCache };

int64_t element_bytes(KvFormat format) {
  return format == KvFormat::f32 ? 4 : format == KvFormat::int8 ? 1 : 2;
}

/// One side of a layer of the cache, whose tiles keep the same distances everywhere.
KvSide side_of(KvCache& cache, int layer, bool keys) {
  const KvCache::Layout& layout = cache.layout();
  const auto tile = [&](int block, int head) {
    return keys ? cache.keys(layer, block, head) : cache.values(layer, block, head);
  };
  const auto scales = [&](int block, int head) {
    return keys ? cache.key_scales(layer, block, head) : cache.value_scales(layer, block, head);
  };
  const int next_block = cache.blocks() > 1, next_head = layout.kv_heads > 1;
  KvSide side{};
  side.data = tile(0, 0);
  side.block_bytes = tile(next_block, 0) - tile(0, 0);
  side.head_bytes = tile(0, next_head) - tile(0, 0);
  side.token_bytes = layout.head_dim * element_bytes(layout.format);
  if (layout.format == KvFormat::int8) {
    side.scales = scales(0, 0);
    side.block_scales = scales(next_block, 0) - scales(0, 0);
    side.head_scales = scales(0, next_head) - scales(0, 0);
  }
  return side;
}

template <class Args>
const DeviceKernel<Args>& by_format(KvFormat format, const DeviceKernel<Args>& f32,
                                    const DeviceKernel<Args>& f16, const DeviceKernel<Args>& bf16,
                                    const DeviceKernel<Args>& int8) {
  switch (format) {
    case KvFormat::f32:
      return f32;
    case KvFormat::f16:
      return f16;
    case KvFormat::bf16:
      return bf16;
    case KvFormat::int8:
      return int8;
    default:
      throw UnsupportedError("CUDA: keys and values in {}; f16, bf16, int8 and f32 are there",
                             kv_format_name(format));
  }
}

class PagedAttention : public CudaKernel {
 public:
  explicit PagedAttention(const OpSite& site) : spec_(paged_attention_spec(site)) {}

  void run(const KernelRun& run) const override {
    auto& cache = dynamic_cast<KvCache&>(*run.inputs[kCache].state);
    const KvFormat format = cache.layout().format;
    const int rows = static_cast<int>(run.outputs[0].shape[0]);
    if (rows == 0) return;
    const auto& store = by_format(format, kv_store_f32, kv_store_f16, kv_store_bf16, kv_store_int8);
    const AttentionView view = view_of(run, cache);
    device().launch(
        store,
        {{rows, ceil_div(2 * spec_.kv_heads, kKvStoreThreads / kWarp)}, kKvStoreThreads, kKvStoreShared},
        {view, pointer<float>(run.inputs[kKey]), pointer<float>(run.inputs[kValue]), spec_.kv_heads});
    device().launch(
        by_format(format, attention_plain_f32, attention_plain_f16, attention_plain_bf16,
                  attention_plain_int8),
        {{rows, spec_.num_heads}, kPlainThreads, plain_attention_shared(spec_.head_dim, spec_.head_dim)},
        view);
  }

 private:
  AttentionView view_of(const KernelRun& run, KvCache& cache) const {
    const int64_t dim = spec_.head_dim;
    AttentionView view{};
    view.query = pointer<float>(run.inputs[kQuery]);
    view.result = pointer<float>(run.outputs[0]);
    view.query_at = view.result_at = {0, spec_.num_heads * dim, dim};
    view.keys = side_of(cache, spec_.layer, true);
    view.values = side_of(cache, spec_.layer, false);
    view.sequences = pointer<int32_t>(run.inputs[kSequences]);
    view.blocks = pointer<int32_t>(run.inputs[kBlocks]);
    view.sequence_count = static_cast<int>(run.site.input_shape(kSequences)[0]);
    view.width = static_cast<int>(run.site.input_shape(kBlocks)[1]);
    view.rows = static_cast<int>(run.outputs[0].shape[0]);
    view.heads = spec_.num_heads;
    view.group = spec_.num_heads / spec_.kv_heads;
    view.dim = view.value_dim = spec_.head_dim;
    view.block_tokens = cache.layout().block_tokens;
    view.window = spec_.window;
    view.scale = spec_.scale;
    view.softcap = spec_.softcap;
    view.causal = true;
    return view;
  }

  PagedAttentionSpec spec_;
};

Refusal supports(const OpSite& site) {
  if (const PagedAttentionSpec spec = paged_attention_spec(site); spec.head_dim > 1024)
    return fmt::format("heads of {}", spec.head_dim);
  return not_all_f32(site, 3);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<PagedAttention>(site);
}

}  // namespace

extern const Kernel paged_attention{"paged_attention", "PagedAttention", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
