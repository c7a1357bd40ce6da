#include "models/decoder.h"

#include <cmath>

#include "base/error.h"
#include "models/activation.h"
#include "models/weights.h"

namespace halftone {
namespace {

// Upper bounds of the symbolic dimensions: what one run may be asked for.
constexpr int64_t kMaxTokens = int64_t{1} << 24;
constexpr int64_t kMaxSequences = 4096;

}  // namespace

Decoder::Decoder(const Checkpoint& checkpoint, const BuildOptions& options, const DecoderConfig& config,
                 std::string prefix)
    : checkpoint_(checkpoint), options_(options), config_(config), prefix_(std::move(prefix)) {
  graph_.name = json_get_or<std::string>(config.json, "model_type", "llm", config.source);
  const int64_t tokens = graph_.symbol("tokens", 1, kMaxTokens);
  const int64_t sequences = graph_.symbol("sequences", 1, kMaxSequences);
  const int64_t cache_blocks = graph_.symbol("cache_blocks", 1, config.context);
  const int64_t outputs = graph_.symbol("outputs", 0, kMaxTokens);
  token_ids_ = graph_.add_input("token_ids", {DType::i64, {tokens}});
  positions_ = graph_.add_input("positions", {DType::i64, {tokens}});
  sequences_ = graph_.add_input("sequences", {DType::i32, {sequences, 3}});
  blocks_ = graph_.add_input("blocks", {DType::i32, {sequences, cache_blocks}});
  output_rows_ = graph_.add_input("output_rows", {DType::i64, {outputs}});
  cache_ = graph_.add_input("cache", {DType::state, {}});
}

Constant Decoder::weight(const std::string& name, const Shape& shape) const {
  Constant constant = options_.weights ? options_.weights(name, shape) : checkpoint_.constant(name, shape);
  if (!is_float(constant.dtype()))
    throw InputError("{}: tensor \"{}\": expected floating point, found {}", checkpoint_.path.string(), name,
                     dtype_name(constant.dtype()));
  return constant;
}

ValueId Decoder::small_weight(const std::string& name, const Constant& constant, float added) {
  const Constant small = small_f32(constant, added);
  const Tensor values = small.load();
  for (int64_t i = 0; const float value : values.span<float>()) {
    if (!std::isfinite(value))
      throw InputError("{}: tensor \"{}\": element {} is {}, expected a finite number",
                       checkpoint_.path.string(), name, i, value);
    ++i;
  }
  return graph_.add_constant(name, small);
}

ValueId Decoder::node(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
                      Attributes attributes) {
  return graph_.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
}

ValueId Decoder::scalar(const std::string& name, float value) {
  return graph_.add_constant(name, Constant(Tensor::from<float>({1}, {value})));
}

ValueId Decoder::embed_tokens() {
  const std::string name = prefix_ + ".embed_tokens";
  embedding_ =
      graph_.add_constant(name + ".weight", weight(name + ".weight", {config_.vocab, config_.hidden}));
  return node("Gather", name, {embedding_, token_ids_}, {{"axis", int64_t{0}}, {"to", int64_t{1}}});  // f32
}

Rope Decoder::rope(const std::string& name, const RopeFrequencies& frequencies) {
  RopeTables tables = rope_tables(frequencies, config_.context);
  return {graph_.add_constant(name + ".cos", std::move(tables.cos)),
          graph_.add_constant(name + ".sin", std::move(tables.sin)), frequencies.rotary_dim()};
}

ValueId Decoder::linear(const std::string& name, ValueId x, int64_t outputs, bool bias,
                        const FusedRows* fused) {
  const int64_t inputs = graph_.value(x).type.shape.back();
  // NAME.weight, NAME.bias: whole, or the rows of the tensor that holds them.
  auto parameter = [&](const char* kind, Shape shape) {
    if (!fused || options_.weights) return weight(name + kind, shape);
    shape[0] = fused->all_rows;
    const std::string tensor = fused->module + kind;
    return constant_rows(weight(tensor, shape), fused->first_row, fused->first_row + outputs, tensor);
  };
  if (const std::string order = (fused ? fused->module : name) + ".input_order";
      !options_.weights && checkpoint_.contains(order))
    x = node("Gather", name + ".ordered",
             {x, graph_.add_constant(name + ".input_order", checkpoint_.constant(order, {inputs}))},
             {{"axis", int64_t{1}}});
  std::vector<ValueId> operands = {
      x, graph_.add_constant(name + ".weight", parameter(".weight", {outputs, inputs}))};
  if (bias) operands.push_back(small_weight(name + ".bias", parameter(".bias", {outputs})));
  return node("Gemm", name, std::move(operands), {{"transB", int64_t{1}}});
}

ValueId Decoder::rms_norm(const std::string& name, ValueId x) {
  const int64_t width = graph_.value(x).type.shape.back();
  const ValueId scale = small_weight(name + ".weight", weight(name + ".weight", {width}), norm_offset_);
  return node("RMSNormalization", name, {x, scale},
              {{"axis", int64_t{-1}}, {"epsilon", config_.norm_epsilon}});
}

ValueId Decoder::add(const std::string& name, ValueId a, ValueId b) {
  return node("Add", name, {a, b});
}

ValueId Decoder::scale(const std::string& name, ValueId x, float factor) {
  return node("Mul", name, {x, scalar(name + ".factor", factor)});
}

/// RMS norm over each head of x [tokens, heads * head_dim].
ValueId Decoder::head_norm(const std::string& name, ValueId x, int64_t heads) {
  auto reshape = [&](const std::string& suffix, ValueId value, std::initializer_list<int64_t> dims) {
    const ValueId shape = graph_.add_constant(
        name + suffix + ".shape", Constant(Tensor::from<int64_t>({static_cast<int64_t>(dims.size())}, dims)));
    return node("Reshape", name + suffix, {value, shape});
  };
  const ValueId split = reshape(".heads", x, {0, heads, config_.head_dim});
  return reshape(".joined", rms_norm(name, split), {0, heads * config_.head_dim});
}

ValueId Decoder::attention_block(const std::string& name, ValueId x, const AttentionOptions& options) {
  const int64_t q_rows = config_.heads * config_.head_dim;
  const int64_t kv_rows = config_.kv_heads * config_.head_dim;
  auto project = [&](const char* part, int64_t first_row, int64_t rows) {
    const FusedRows fused{name + ".qkv_proj", first_row, q_rows + 2 * kv_rows};
    return linear(name + part, x, rows, options.qkv_bias, options.fused_qkv ? &fused : nullptr);
  };
  ValueId query = project(".q_proj", 0, q_rows);
  ValueId key = project(".k_proj", q_rows, kv_rows);
  const ValueId value = project(".v_proj", q_rows + kv_rows, kv_rows);
  if (options.qk_norm) {
    query = head_norm(name + ".q_norm", query, config_.heads);
    key = head_norm(name + ".k_norm", key, config_.kv_heads);
  }
  auto turn = [&](const char* part, ValueId heads, int64_t count) {
    return node("RotaryEmbedding", name + part, {heads, options.rope.cos, options.rope.sin, positions_},
                {{"num_heads", count}, {"rotary_embedding_dim", options.rope.rotary_dim}});
  };
  query = turn(".q_rope", query, config_.heads);
  key = turn(".k_rope", key, config_.kv_heads);

  Attributes attributes = {
      {"num_heads", config_.heads}, {"kv_heads", config_.kv_heads}, {"layer", int64_t{options.layer}}};
  if (options.scale > 0) attributes.set("scale", options.scale);
  if (options.softcap > 0) attributes.set("softcap", options.softcap);
  if (options.window > 0) attributes.set("window", int64_t{options.window});
  const std::vector<ValueId> attended =
      graph_.add_node(*find_op("PagedAttention"), name + ".attention",
                      {query, key, value, sequences_, blocks_, cache_}, std::move(attributes));
  cache_ = attended[1];
  return linear(name + ".o_proj", attended[0], config_.hidden, options.output_bias);
}

ValueId Decoder::activate(const std::string& name, ValueId x) {
  NamedActivation activation = activation_named(config_.activation, config_.source);
  return graph_.add_node(*activation.op, name, {x}, std::move(activation.attributes)).front();
}

ValueId Decoder::gated_mlp(const std::string& name, ValueId x, const MlpOptions& options) {
  auto project = [&](const char* part, int64_t first_row) {
    const FusedRows fused{name + ".gate_up_proj", first_row, 2 * config_.intermediate};
    return linear(name + part, x, config_.intermediate, options.bias,
                  options.fused_gate_up ? &fused : nullptr);
  };
  const ValueId gate = project(".gate_proj", 0);
  const ValueId up = project(".up_proj", config_.intermediate);
  const ValueId gated = node("Mul", name + ".gated", {activate(name + ".act", gate), up});
  return linear(name + ".down_proj", gated, config_.hidden, options.bias);
}

Graph Decoder::finish(ValueId x, float softcap) {
  const ValueId rows = node("Gather", prefix_ + ".output_rows", {x, output_rows_}, {{"axis", int64_t{0}}});
  const ValueId normed = rms_norm(prefix_ + ".norm", rows);
  ValueId logits = config_.tied_embeddings
                       ? node("Gemm", "lm_head", {normed, embedding_}, {{"transB", int64_t{1}}})
                       : linear("lm_head", normed, config_.vocab);
  if (softcap > 0) {
    const ValueId cap = scalar("lm_head.softcap", softcap);
    logits = node("Div", "lm_head.divided", {logits, cap});
    logits = node("Mul", "lm_head.capped", {node("Tanh", "lm_head.tanh", {logits}), cap});
  }
  graph_.add_output(logits, "logits");
  graph_.add_output(cache_, "cache_out");
  verify(graph_);
  return std::move(graph_);
}

std::string layer_name(const Decoder& decoder, int layer) {
  return fmt::format("{}.layers.{}", decoder.prefix(), layer);
}

Rope single_rope(Decoder& decoder) {
  const DecoderConfig& config = decoder.config();
  const Json settings = rope_settings(config.json, "full_attention", config.source);
  return decoder.rope("rope", rope_frequencies(settings, config.head_dim, config.max_positions,
                                               config.context, config.source));
}

Graph build_pre_norm_decoder(Decoder& decoder, const std::function<AttentionOptions(int layer)>& attention,
                             const MlpOptions& mlp) {
  ValueId x = decoder.embed_tokens();
  for (int layer = 0; layer < decoder.config().layers; ++layer) {
    const std::string name = layer_name(decoder, layer);
    AttentionOptions options = attention(layer);
    options.layer = layer;
    const ValueId attended =
        decoder.attention_block(name + ".self_attn", decoder.rms_norm(name + ".input_layernorm", x), options);
    x = decoder.add(name + ".attention_residual", x, attended);
    const ValueId mixed =
        decoder.gated_mlp(name + ".mlp", decoder.rms_norm(name + ".post_attention_layernorm", x), mlp);
    x = decoder.add(name + ".mlp_residual", x, mixed);
  }
  return decoder.finish(x);
}

}  // namespace halftone
