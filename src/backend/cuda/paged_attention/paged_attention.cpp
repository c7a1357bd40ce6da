#include "ops/paged_attention/paged_attention.h"

#include <algorithm>
#include <bit>
#include <climits>
#include <vector>

#include "backend/cuda/cuda.h"
#include "backend/cuda/paged_attention/attention_kernels.h"
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

/// Blocks of the decoding kernel that an SM has at a time and that fill its bandwidth.
constexpr int kBlocksPerMultiprocessor = 2;

/// Which launches a run of these shapes makes, and how its rows are dealt out. Lengths of sequences are not
/// known here: sequences of up to kFewRows rows are decoded, others prefilled, as the kernels find them.
struct Launches {
  static constexpr int kFewRows = 4;
  /// Of a cache's block, for the most parts that are worth while (the site does not know the cache).
  static constexpr int kBlockTokens = KvCache::Layout{}.block_tokens;

  bool decode, prefill;
  int step;          ///< AttentionDecodeArgs
  int partial_rows;  ///< rows that leave partial results
  int head_groups, parts;

  Launches(const OpSite& site, const PagedAttentionSpec& spec, const Chip& chip) {
    const int rows = static_cast<int>(site.input_shape(kQuery)[0]);
    const int sequences = static_cast<int>(site.input_shape(kBlocks)[0]);
    const int width = static_cast<int>(site.input_shape(kBlocks)[1]);
    prefill = rows > kFewRows && rows > sequences;
    decode = sequences > 0 && (!prefill || sequences > 1);
    step = prefill ? kFewRows : ceil_div(rows, std::max(sequences, 1));
    partial_rows = prefill ? sequences * step : rows;
    head_groups = ceil_div(spec.num_heads / spec.kv_heads, kDecodeHeads);
    const int side_by_side = std::max(1, sequences * step * spec.kv_heads * head_groups);
    const int wanted = kBlocksPerMultiprocessor * chip.multiprocessors / side_by_side;  // one wave of blocks
    const int most = width * kBlockTokens / (kDecodeTile * kDecodeLeastTiles);
    parts = std::clamp(wanted, 1, std::clamp(most, 1, kDecodeMostParts));
  }
  /// Counters of ended parts that launches of several parts need at most: rows and groups of heads stand side
  /// by side in one wave of blocks.
  static size_t most_counters(const Chip& chip) {
    return static_cast<size_t>(kBlocksPerMultiprocessor) * static_cast<size_t>(chip.multiprocessors);
  }

  int64_t partials(const PagedAttentionSpec& spec) const {
    return decode ? int64_t{partial_rows} * spec.num_heads * parts : 0;
  }
};

class PagedAttention : public CudaKernel {
 public:
  explicit PagedAttention(const OpSite& site)
      : spec_(paged_attention_spec(site)),
        ended_(upload(std::vector<std::byte>(Launches::most_counters(device().chip()) * sizeof(int)),
                      "counters of an attention")) {}

  size_t workspace_bytes(const OpSite& site) const override {
    const Launches launches(site, spec_, device().chip());
    return static_cast<size_t>(launches.partials(spec_)) *
           (sizeof(Vec2) + static_cast<size_t>(spec_.head_dim) * sizeof(float));
  }

  void run(const KernelRun& run) const override {
    auto& cache = dynamic_cast<KvCache&>(*run.inputs[kCache].state);
    const int rows = static_cast<int>(run.outputs[0].shape[0]);
    if (rows == 0) return;
    const KvCache::Layout& layout = cache.layout();
    const AttentionKernels kernels = attention_kernels(layout.format, spec_.head_dim);
    const AttentionView view = view_of(run, cache);
    const Launches launches(run.site, spec_, device().chip());
    const bool tiles = layout.block_tokens >= kDecodeTile && std::has_single_bit(unsigned_tokens(layout)) &&
                       kernels.decode && kernels.prefill;
    const bool decode_alone = tiles && !launches.prefill && launches.decode;
    if (!decode_alone)
      device().launch(
          *kernels.store,
          {{rows, ceil_div(2 * spec_.kv_heads, kKvStoreThreads / kWarp)}, kKvStoreThreads, kKvStoreShared},
          {view, pointer<float>(run.inputs[kKey]), pointer<float>(run.inputs[kValue]), spec_.kv_heads});
    if (tiles)
      attend_in_tiles(run, launches, kernels, view);
    else
      device().launch(
          *kernels.plain,
          {{rows, spec_.num_heads}, kPlainThreads, plain_attention_shared(spec_.head_dim, spec_.head_dim)},
          view);
  }

 private:
  static unsigned unsigned_tokens(const KvCache::Layout& layout) {
    return static_cast<unsigned>(layout.block_tokens);
  }

  void attend_in_tiles(const KernelRun& run, const Launches& launches, const AttentionKernels& kernels,
                       const AttentionView& view) const {
    if (launches.decode) decode(run, launches, kernels, view);
    if (launches.prefill) {
      const int64_t vectors = int64_t{view.rows} * view.group;
      const int tiles = static_cast<int>(vectors / kPrefillVectors) + view.sequence_count;
      device().launch(*kernels.prefill,
                      {{tiles * spec_.kv_heads},
                       kPrefillThreads,
                       prefill_shared(kernels.padded_dim, kernels.element_bytes)},
                      {view, launches.decode ? Launches::kFewRows + 1 : 1});
    }
  }

  void decode(const KernelRun& run, const Launches& launches, const AttentionKernels& kernels,
              const AttentionView& view) const {
    const int64_t partials = launches.partials(spec_);
    auto* sums = reinterpret_cast<float*>(run.workspace.data());
    const bool stores = !launches.prefill;
    const AttentionDecodeArgs args{view,
                                   stores ? pointer<float>(run.inputs[kKey]) : nullptr,
                                   stores ? pointer<float>(run.inputs[kValue]) : nullptr,
                                   sums,
                                   reinterpret_cast<Vec2*>(sums + partials * spec_.head_dim),
                                   reinterpret_cast<int*>(ended_.get()),
                                   launches.parts,
                                   launches.step,
                                   launches.prefill ? Launches::kFewRows : INT_MAX,
                                   launches.head_groups,
                                   launches.prefill};
    device().launch(
        *kernels.decode,
        {{launches.parts, spec_.kv_heads * launches.head_groups, view.sequence_count * launches.step},
         kDecodeThreads,
         decode_shared(kernels.padded_dim, kernels.element_bytes)},
        args);
  }

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
    view.block_shift = std::bit_width(unsigned_tokens(cache.layout())) - 1;
    view.window = spec_.window;
    view.scale = spec_.scale;
    view.softcap = spec_.softcap;
    view.causal = true;
    return view;
  }

  PagedAttentionSpec spec_;
  /// Zeros between the launches of the device's one queue: each leaves them as it found them.
  std::shared_ptr<std::byte> ended_;
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
