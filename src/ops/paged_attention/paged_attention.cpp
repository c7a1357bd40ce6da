#include "ops/paged_attention/paged_attention.h"

#include <cassert>
#include <cmath>

#include "ops/elementwise.h"

namespace halftone {
namespace {

enum Input : size_t { kQuery, kKey, kValue, kSequences, kBlocks, kCache };

int positive_attribute(const OpSite& site, std::string_view name, int64_t fallback, int64_t least) {
  const int64_t value = site.attributes->get_int(name, fallback);
  require(site, value >= least && value <= (int64_t{1} << 30), "attribute {}: expected at least {}, found {}",
          name, least, value);
  return static_cast<int>(value);
}

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& query = site.inputs[kQuery].type;
  require(site, is_float(query.dtype) && query.shape.rank() == 2,
          "query: expected floating [tokens, width], found {} {}", dtype_name(query.dtype),
          query.shape.str());
  const PagedAttentionSpec spec = paged_attention_spec(site);
  const int64_t width = int64_t{spec.kv_heads} * spec.head_dim;
  for (size_t i : {kKey, kValue}) {
    const Shape& shape = site.input_shape(i);
    require(site, shape.rank() == 2 && shape[0] == query.shape[0] && shape[1] == width,
            "{}: expected [{}, {}], found {}", site.schema->inputs[i].name, Shape{query.shape[0]}.str(),
            width, shape.str());
    require(site, site.inputs[i].type.dtype == query.dtype, "{}: expected {}, found {}",
            site.schema->inputs[i].name, dtype_name(query.dtype), dtype_name(site.inputs[i].type.dtype));
  }
  const Shape& sequences = site.input_shape(kSequences);
  const Shape& blocks = site.input_shape(kBlocks);
  require(site, sequences.rank() == 2 && sequences[1] == 3, "sequences: expected [S, 3], found {}",
          sequences.str());
  require(site, blocks.rank() == 2 && blocks[0] == sequences[0],
          "blocks: expected [S, B] with the S of sequences {}, found {}", sequences.str(), blocks.str());
  for (size_t i : {kSequences, kBlocks})
    require(site, site.inputs[i].type.dtype == DType::i32, "{}: expected i32, found {}",
            site.schema->inputs[i].name, dtype_name(site.inputs[i].type.dtype));
  require(site, site.inputs[kCache].type.dtype == DType::state, "cache: expected a state, found {}",
          dtype_name(site.inputs[kCache].type.dtype));
  return {query, site.inputs[kCache].type};
}

Cost cost(const OpSite& site) {
  const PagedAttentionSpec spec = paged_attention_spec(site);
  const KvCache::Layout defaults;
  const double rows = static_cast<double>(site.input_shape(kQuery)[0]);
  const double context = static_cast<double>(site.input_shape(kBlocks)[1]) * defaults.block_tokens;
  const double sequences = static_cast<double>(site.input_shape(kSequences)[0]);
  const double seen = spec.window > 0 ? std::min<double>(context, spec.window) : context;
  const double token_bytes = static_cast<double>(
      KvCache::bytes_per_token({1, spec.kv_heads, spec.head_dim, defaults.block_tokens, defaults.format}));
  Cost total = traffic(site);
  total.flops = rows * seen * spec.num_heads * spec.head_dim * 4;
  total.state_bytes = (sequences * seen + rows) * token_bytes;
  return total;
}

/// Scores, softmax and weighted sum of one query vector over positions [first, last] of a sequence.
class HeadAttention {
 public:
  HeadAttention(const PagedAttentionSpec& spec, const KvCache& cache, std::span<const int32_t> blocks)
      : spec_(spec),
        cache_(cache),
        blocks_(blocks),
        key_(static_cast<size_t>(spec.head_dim)),
        value_(static_cast<size_t>(spec.head_dim)) {}

  void run(int kv_head, std::span<const float> query, int first, int last, std::span<float> result) {
    std::vector<double> scores;
    double highest = -HUGE_VAL;
    const int far = cache_.far_blocks(last) * cache_.layout().block_tokens;
    for (int position = first; position <= last; ++position) {
      load(kv_head, position, position < far);
      double dot = 0;
      for (size_t i = 0; i < query.size(); ++i) dot += double{query[i]} * key_[i];
      double score = dot * spec_.scale;
      if (spec_.softcap > 0) score = spec_.softcap * std::tanh(score / spec_.softcap);
      scores.push_back(score);
      highest = std::max(highest, score);
    }
    double total = 0;
    std::vector<double> sum(query.size(), 0.0);
    for (int position = first; position <= last; ++position) {
      load(kv_head, position, position < far);
      const double weight = std::exp(scores[static_cast<size_t>(position - first)] - highest);
      total += weight;
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += weight * value_[i];
    }
    for (size_t i = 0; i < sum.size(); ++i) result[i] = static_cast<float>(sum[i] / total);
  }

 private:
  void load(int kv_head, int position, bool codes) {
    const int size = cache_.layout().block_tokens;
    cache_.load(spec_.layer, blocks_[static_cast<size_t>(position / size)], kv_head, position % size, key_,
                value_, codes);
  }

  const PagedAttentionSpec& spec_;
  const KvCache& cache_;
  std::span<const int32_t> blocks_;
  std::vector<float> key_;
  std::vector<float> value_;
};

void store_new_tokens(const PagedAttentionSpec& spec, const SequenceSpan& sequence,
                      std::span<const int32_t> blocks, const TensorView& keys, const TensorView& values,
                      KvCache& cache) {
  std::vector<float> key(static_cast<size_t>(spec.head_dim));
  std::vector<float> value(key.size());
  const int size = cache.layout().block_tokens;
  for (int row = 0; row < sequence.rows; ++row)
    for (int head = 0; head < spec.kv_heads; ++head) {
      const int64_t at = (int64_t{sequence.first_row + row} * spec.kv_heads + head) * spec.head_dim;
      load_floats(keys, at, key);
      load_floats(values, at, value);
      const int position = sequence.past + row;
      cache.store(spec.layer, blocks[static_cast<size_t>(position / size)], head, position % size, key,
                  value);
    }
}

/// codes_by_block(): makes the codes that the run's tokens read.
void encode_far_blocks(const PagedAttentionSpec& spec, const SequenceSpan& sequence,
                       std::span<const int32_t> blocks, KvCache& cache) {
  for (const int32_t block :
       blocks.first(static_cast<size_t>(cache.far_blocks(sequence.past + sequence.rows - 1))))
    for (int head = 0; cache.is_open(spec.layer, block) && head < spec.kv_heads; ++head)
      cache.encode(spec.layer, block, head);
}

/// codes_by_block(): lets the f16 go that later tokens will not read.
void close_far_blocks(const PagedAttentionSpec& spec, const SequenceSpan& sequence,
                      std::span<const int32_t> blocks, KvCache& cache) {
  for (const int32_t block :
       blocks.first(static_cast<size_t>(cache.far_blocks(sequence.past + sequence.rows - 1))))
    cache.close(spec.layer, block);
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const PagedAttentionSpec spec = paged_attention_spec(site);
  auto& cache = dynamic_cast<KvCache&>(*inputs[kCache].state);
  assert(cache.layout().kv_heads == spec.kv_heads && cache.layout().head_dim == spec.head_dim);
  const auto sequences = inputs[kSequences].span<int32_t>();
  const auto table = inputs[kBlocks].span<int32_t>();
  const auto width = static_cast<size_t>(inputs[kBlocks].tensor.shape[1]);

  std::vector<float> query(static_cast<size_t>(spec.head_dim), 0.0f);
  std::vector<float> result(query.size(), 0.0f);
  const MutableTensorView& out = outputs[0];
  for (int64_t i = 0; i < out.shape.elements(); i += spec.head_dim) store_floats(result, out, i);

  for (size_t s = 0; s < sequences.size() / 3; ++s) {
    const SequenceSpan sequence{sequences[3 * s], sequences[3 * s + 1], sequences[3 * s + 2]};
    const auto blocks = table.subspan(s * width, width);
    store_new_tokens(spec, sequence, blocks, inputs[kKey].tensor, inputs[kValue].tensor, cache);
    encode_far_blocks(spec, sequence, blocks, cache);
    HeadAttention attention(spec, cache, blocks);
    for (int row = 0; row < sequence.rows; ++row)
      for (int head = 0; head < spec.num_heads; ++head) {
        const int64_t at = (int64_t{sequence.first_row + row} * spec.num_heads + head) * spec.head_dim;
        load_floats(inputs[kQuery].tensor, at, query);
        const int last = sequence.past + row;
        const int first = spec.window > 0 ? std::max(0, last - spec.window + 1) : 0;
        attention.run(head / (spec.num_heads / spec.kv_heads), query, first, last, result);
        store_floats(result, out, at);
      }
    close_far_blocks(spec, sequence, blocks, cache);
  }
}

}  // namespace

PagedAttentionSpec paged_attention_spec(const OpSite& site) {
  PagedAttentionSpec spec{};
  spec.num_heads = positive_attribute(site, "num_heads", 0, 1);
  spec.kv_heads = positive_attribute(site, "kv_heads", spec.num_heads, 1);
  spec.layer = positive_attribute(site, "layer", 0, 0);
  spec.window = positive_attribute(site, "window", 0, 0);
  require(site, spec.num_heads % spec.kv_heads == 0, "{} query heads do not divide among {} KV heads",
          spec.num_heads, spec.kv_heads);
  const int64_t width = site.input_shape(kQuery).back();
  require(site, width > 0 && width % spec.num_heads == 0, "query: width {} is not {} heads of equal size",
          width, spec.num_heads);
  spec.head_dim = static_cast<int>(width / spec.num_heads);
  spec.scale = site.attributes->get_float("scale", 1.0f / std::sqrt(static_cast<float>(spec.head_dim)));
  spec.softcap = site.attributes->get_float("softcap", 0.0f);
  require(site, spec.softcap >= 0, "attribute softcap: expected at least 0, found {}", spec.softcap);
  return spec;
}

const OpSchema& paged_attention_schema() {
  static const OpSchema schema = {
      .name = "PagedAttention",
      .domain = "halftone",
      .inputs = {{"query"}, {"key"}, {"value"}, {"sequences"}, {"blocks"}, {"cache"}},
      .outputs = {"result", "cache"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
