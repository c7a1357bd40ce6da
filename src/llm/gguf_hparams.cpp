#include "llm/gguf_hparams.h"

#include <algorithm>

#include "base/error.h"
#include "models/model.h"
#include "models/rope.h"

namespace halftone {
namespace {

/// What the nodes of a decoder say of it.
struct NodeFacts {
  float epsilon = 0;
  float attention_cap = 0;
  int64_t rotary_dim = 0;
  int64_t intermediate = 0;
  float logit_cap = 0;
};

NodeFacts facts_of(const Graph& graph) {
  NodeFacts facts;
  for (const Node& node : graph.nodes()) {
    if (node.schema->name == "RMSNormalization") facts.epsilon = node.attributes.get_float("epsilon", 0);
    if (node.schema->name == "PagedAttention") facts.attention_cap = node.attributes.get_float("softcap", 0);
    if (node.schema->name == "RotaryEmbedding")
      facts.rotary_dim = node.attributes.get_int("rotary_embedding_dim", 0);
    if (node.name.ends_with(".gate_proj"))
      facts.intermediate = graph.value(node.outputs[0]).type.shape.back();
    if (node.name == "lm_head.capped")
      facts.logit_cap = to_f32(graph.value(node.inputs[1]).constant->load()).span<float>()[0];
  }
  return facts;
}

class HyperParameters {
 public:
  HyperParameters(GgufFields& fields, const GgufArchitecture& architecture, const Json& config,
                  const std::string& source)
      : fields_(fields), architecture_(architecture), config_(config), source_(source) {}

  void add_sizes(const Graph& graph) {
    const LlmInfo info = llm_info(graph);
    const NodeFacts facts = facts_of(graph);
    head_dim_ = info.head_dim;
    positions_ = json_get_or<int64_t>(config_, "max_position_embeddings", info.context, source_);
    count("context_length", positions_);
    count("embedding_length", info.hidden);
    count("block_count", info.layers);
    count("feed_forward_length", facts.intermediate);
    count("attention.head_count", info.heads);
    count("attention.head_count_kv", info.kv_heads);
    count("attention.key_length", info.head_dim);
    count("attention.value_length", info.head_dim);
    count("vocab_size", info.vocab);
    count("rope.dimension_count", facts.rotary_dim);
    number("attention.layer_norm_rms_epsilon", facts.epsilon);
    if (facts.attention_cap > 0) number("attn_logit_softcapping", facts.attention_cap);
    if (facts.logit_cap > 0) number("final_logit_softcapping", facts.logit_cap);
    const int window = info.windows.empty() ? 0 : std::ranges::max(info.windows);
    if (window > 0) count("attention.sliding_window", window);
  }

  std::vector<GgufRopeTensor> add_rope() {
    const Json settings = rope_settings(config_, "full_attention", source_);
    number("rope.freq_base", json_get<float>(settings, "rope_theta", source_));
    const Json local = json_get_or<Json>(config_, "rope_parameters", Json::object(), source_);
    if (local.contains("sliding_attention"))
      number("rope.freq_base_swa",
             json_get<float>(rope_settings(config_, "sliding_attention", source_), "rope_theta", source_));
    else if (config_.contains("rope_local_base_freq"))
      number("rope.freq_base_swa", json_get<float>(config_, "rope_local_base_freq", source_));
    const auto type = json_get<std::string>(settings, "rope_type", source_);
    if (type == "default") return {};
    if (type == "linear" || type == "yarn") {
      fields_.add(key("rope.scaling.type"), type);
      number("rope.scaling.factor", json_get<float>(settings, "factor", source_));
      add_original_length(settings);
      return {};
    }
    if (type == "llama3") return {{"rope_freqs.weight", divisors(settings)}};
    if (type == "longrope" || type == "su") return add_longrope(settings);
    throw UnsupportedError("{}: GGUF has no word for rope scaling \"{}\"", source_, type);
  }

 private:
  /// Factors that do not depend on the length are those that Llama 3.1 has.
  std::vector<GgufRopeTensor> add_longrope(const Json& settings) {
    const auto factors = [&](const char* name) {
      return json_get<std::vector<float>>(settings, name, source_);
    };
    const std::vector<float> longer = factors("long_factor"), shorter = factors("short_factor");
    const float magnitude = rope_frequencies(settings, head_dim_, positions_, positions_, source_).magnitude;
    if (longer == shorter && magnitude == 1) return {{"rope_freqs.weight", longer}};
    add_original_length(settings);
    number("rope.scaling.attn_factor", magnitude);
    return {{"rope_factors_long.weight", longer}, {"rope_factors_short.weight", shorter}};
  }

  std::string key(std::string_view name) const { return fmt::format("{}.{}", architecture_.name, name); }
  void count(std::string_view name, int64_t value) { fields_.add(key(name), static_cast<uint32_t>(value)); }
  void number(std::string_view name, float value) { fields_.add(key(name), value); }

  void add_original_length(const Json& settings) {
    if (settings.contains("original_max_position_embeddings"))
      count("rope.scaling.original_context_length",
            json_get<int64_t>(settings, "original_max_position_embeddings", source_));
  }

  /// By what a scaling divides each plain frequency.
  std::vector<float> divisors(Json settings) const {
    const auto inverse = [&] {
      return rope_frequencies(settings, head_dim_, positions_, positions_, source_).inverse;
    };
    const std::vector<float> scaled = inverse();
    settings["rope_type"] = "default";
    std::vector<float> factors = inverse();
    for (size_t i = 0; i < factors.size(); ++i) factors[i] /= scaled[i];
    return factors;
  }

  GgufFields& fields_;
  const GgufArchitecture& architecture_;
  const Json& config_;
  const std::string& source_;
  int64_t head_dim_ = 0;
  int64_t positions_ = 0;
};

}  // namespace

const GgufArchitecture& gguf_architecture(const Json& config, const std::string& source) {
  const auto type = json_get_or<std::string>(config, "model_type", "", source);
  for (const GgufArchitecture& architecture : gguf_architectures())
    if (!type.empty() && (architecture.model_type == type || architecture.also_model_type == type))
      return architecture;
  throw UnsupportedError("{}: GGUF is written for {}, not for model_type \"{}\"", source,
                         gguf_architecture_names(), type);
}

std::vector<GgufRopeTensor> add_hparams(GgufFields& fields, const GgufArchitecture& architecture,
                                        const Graph& graph, const Json& config, const std::string& source) {
  HyperParameters parameters(fields, architecture, config, source);
  parameters.add_sizes(graph);
  return parameters.add_rope();
}

}  // namespace halftone
