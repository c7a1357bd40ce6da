#include <algorithm>
#include <cmath>

#include "formats/gguf.h"
#include "formats/gguf_names.h"
#include "formats/gguf_type.h"
#include "formats/hf_config.h"

namespace halftone {
namespace {

/// Tables of rotary frequencies: they go into the configuration.
constexpr std::string_view kRopeTensors[] = {"rope_freqs.weight", "rope_factors_long.weight",
                                             "rope_factors_short.weight"};

const GgufArchitecture& find_architecture(const GgufMetadata& metadata) {
  const auto name = metadata.require<std::string>("general.architecture");
  for (const GgufArchitecture& architecture : gguf_architectures())
    if (architecture.name == name) return architecture;
  throw UnsupportedError("{}: GGUF architecture \"{}\" (known: {})", metadata.source(), name,
                         gguf_architecture_names());
}

class Translator {
 public:
  explicit Translator(const GgufFile& file)
      : file_(file),
        metadata_(file.metadata()),
        source_(metadata_.source()),
        architecture_(find_architecture(metadata_)) {}

  Checkpoint checkpoint() {
    refuse_what_is_not_read();
    Checkpoint checkpoint;
    checkpoint.path = source_;
    checkpoint.config = config();
    checkpoint.generation_config = generation_config();
    if (auto name = metadata_.get<std::string>("general.name")) checkpoint.metadata["general.name"] = *name;
    for (const GgufTensor& tensor : file_.tensors()) {
      if (std::find(std::begin(kRopeTensors), std::end(kRopeTensors), tensor.name) != std::end(kRopeTensors))
        continue;
      checkpoint.add(hf_name(tensor.name), constant(tensor, transform(tensor)));
    }
    return checkpoint;
  }

 private:
  template <class T>
  std::optional<T> get(std::string_view key) const {
    return metadata_.get<T>(fmt::format("{}.{}", architecture_.name, key));
  }

  int64_t size(std::string_view key) const {
    return checked_size(key, metadata_.require<int64_t>(fmt::format("{}.{}", architecture_.name, key)));
  }

  /// A size that some models state once a layer: those of all layers must be the same.
  int64_t layer_size(std::string_view key) const {
    const std::string full = fmt::format("{}.{}", architecture_.name, key);
    const auto found = metadata_.values().find(full);
    if (found == metadata_.values().end() ||
        !std::holds_alternative<std::vector<int64_t>>(found->second.data))
      return size(key);
    const auto sizes = metadata_.require<std::vector<int64_t>>(full);
    if (sizes.empty())
      throw InputError("{}: metadata \"{}\": expected a number a layer, found none", source_, full);
    for (int64_t other : sizes)
      if (other != sizes.front())
        throw UnsupportedError("{}: metadata \"{}\": layers of different sizes ({} and {})", source_, full,
                               sizes.front(), other);
    return checked_size(key, sizes.front());
  }

  int64_t checked_size(std::string_view key, int64_t value) const {
    if (value < 1 || value > (1 << 30))
      throw InputError("{}: metadata \"{}.{}\": expected a size from 1 to 2^30, found {}", source_,
                       architecture_.name, key, value);
    return value;
  }

  const GgufTensor* find(std::string_view name) const {
    for (const GgufTensor& tensor : file_.tensors())
      if (tensor.name == name) return &tensor;
    return nullptr;
  }

  void refuse_what_is_not_read() const {
    if (const auto parts = metadata_.get<int64_t>("split.count"); parts && *parts > 1)
      throw UnsupportedError("{}: one of {} parts of a split GGUF; merge them into one file", source_,
                             *parts);
    if (const auto experts = get<int64_t>("expert_count"); experts && *experts > 0)
      throw UnsupportedError("{}: a mixture of {} experts", source_, *experts);
  }

  Json config() const {
    const int64_t hidden = size("embedding_length");
    const int64_t heads = layer_size("attention.head_count");
    const int64_t head_dim = get<int64_t>("attention.key_length") ? size("attention.key_length")
                                                                  : std::max<int64_t>(1, hidden / heads);
    const GgufTensor* embedding = find("token_embd.weight");
    if (!embedding) throw InputError("{}: tensor \"token_embd.weight\" is missing", source_);

    Json config = {{"architectures", {architecture_.hf_class}},
                   {"model_type", architecture_.model_type},
                   {"hidden_act", architecture_.activation},
                   {"hidden_activation", architecture_.activation},
                   {"hidden_size", hidden},
                   {"intermediate_size", layer_size("feed_forward_length")},
                   {"num_hidden_layers", size("block_count")},
                   {"num_attention_heads", heads},
                   {"num_key_value_heads",
                    has("attention.head_count_kv") ? layer_size("attention.head_count_kv") : heads},
                   {"head_dim", head_dim},
                   {"vocab_size", embedding->shape[0]},
                   {"max_position_embeddings", size("context_length")},
                   {"rms_norm_eps", number("attention.layer_norm_rms_epsilon")},
                   {"rope_theta", get<double>("rope.freq_base").value_or(10000.0)},
                   {"tie_word_embeddings", find("output.weight") == nullptr},
                   {"attention_bias", find("blk.0.attn_q.bias") != nullptr},
                   {"mlp_bias", find("blk.0.ffn_up.bias") != nullptr},
                   {"sliding_window", nullptr}};
    if (const auto rotary = get<int64_t>("rope.dimension_count"))
      config["partial_rotary_factor"] = static_cast<double>(*rotary) / static_cast<double>(head_dim);
    add_attention(config, hidden / heads);
    if (Json scaling = rope_scaling(head_dim); !scaling.is_null())
      config["rope_scaling"] = std::move(scaling);
    for (const char* key : {"bos_token_id", "eos_token_id"})
      if (const auto id = metadata_.get<int64_t>(std::string("tokenizer.ggml.") + key)) config[key] = *id;
    return parse_hf_config(config.dump(), source_);
  }

  bool has(std::string_view key) const {
    return metadata_.contains(fmt::format("{}.{}", architecture_.name, key));
  }

  double number(std::string_view key) const {
    return metadata_.require<double>(fmt::format("{}.{}", architecture_.name, key));
  }

  /// Windows, caps and the scale of queries.
  void add_attention(Json& config, int64_t width_per_head) const {
    const int64_t window = get<int64_t>("attention.sliding_window").value_or(architecture_.usual_window);
    if (window > 0) {
      config["sliding_window"] = window;
      config["use_sliding_window"] = true;
      if (architecture_.interleaved_heads) {  // Mistral goes by Llama's name
        config["architectures"] = {"MistralForCausalLM"};
        config["model_type"] = "mistral";
      }
    }
    if (architecture_.norm_added == 0) return;
    const bool by_width = size("block_count") == architecture_.layers_scaled_by_width;
    config["query_pre_attn_scalar"] = by_width ? Json(width_per_head) : config["head_dim"];
    if (const auto scale = get<double>("attention.scale"); scale && *scale > 0)
      config["query_pre_attn_scalar"] = 1 / (*scale * *scale);
    const auto add_cap = [&](const char* key, double usual) {
      const double cap = get<double>(key).value_or(usual);
      config[key] = cap > 0 ? Json(cap) : Json();
    };
    add_cap("attn_logit_softcapping", architecture_.usual_attention_cap);
    add_cap("final_logit_softcapping", architecture_.usual_logit_cap);
    config["rope_local_base_freq"] = get<double>("rope.freq_base_swa").value_or(10000.0);
  }

  /// config.json's rope_scaling, or null.
  Json rope_scaling(int64_t head_dim) const {
    const int64_t context = size("context_length");
    const auto original = get<int64_t>("rope.scaling.original_context_length");
    Json scaling;
    if (find("rope_freqs.weight")) {
      // Frequencies are divided by these factors at every length.
      const std::vector<float> factors = rope_factors("rope_freqs.weight", head_dim);
      return {{"rope_type", "longrope"},
              {"short_factor", factors},
              {"long_factor", factors},
              {"attention_factor", 1.0},
              {"original_max_position_embeddings", context}};
    }
    if (find("rope_factors_long.weight") || find("rope_factors_short.weight")) {
      scaling = {{"rope_type", "longrope"},
                 {"short_factor", rope_factors("rope_factors_short.weight", head_dim)},
                 {"long_factor", rope_factors("rope_factors_long.weight", head_dim)},
                 {"original_max_position_embeddings", original.value_or(context)}};
    } else {
      auto factor = get<double>("rope.scaling.factor");
      if (!factor) factor = get<double>("rope.scale_linear");  // the older key
      const std::string type = get<std::string>("rope.scaling.type").value_or("linear");
      if (type == "none" || !factor || *factor == 1) return {};
      if (type != "linear" && type != "yarn")
        throw UnsupportedError(
            "{}: metadata \"{}.rope.scaling.type\": \"{}\" (known: none, linear, yarn, longrope)", source_,
            architecture_.name, type);
      scaling = {{"rope_type", type}, {"factor", *factor}};
      if (original) scaling["original_max_position_embeddings"] = *original;
    }
    if (const auto magnitude = get<double>("rope.scaling.attn_factor"); magnitude && *magnitude > 0)
      scaling["attention_factor"] = *magnitude;
    return scaling;
  }

  std::vector<float> rope_factors(std::string_view name, int64_t head_dim) const {
    const GgufTensor* tensor = find(name);
    if (!tensor) throw InputError("{}: tensor \"{}\" is missing", source_, name);
    const int64_t pairs = get<int64_t>("rope.dimension_count").value_or(head_dim) / 2;
    if (tensor->shape != Shape({pairs}) || !tensor->type->plain)
      throw InputError("{}: tensor \"{}\": expected plain numbers of shape [{}], found {} {}", source_, name,
                       pairs, tensor->type->name, tensor->shape.str());
    std::vector<float> factors(static_cast<size_t>(pairs));
    load_floats(constant(*tensor, {}).load().view(), 0, factors);
    for (float factor : factors)
      if (!std::isfinite(factor))
        throw InputError("{}: tensor \"{}\": found the factor {}", source_, name, factor);
    return factors;
  }

  Json generation_config() const {
    Json config = Json::object();
    Json ends = Json::array();
    for (const char* key : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
      const auto id = metadata_.get<int64_t>(std::string("tokenizer.ggml.") + key);
      if (id && std::find(ends.begin(), ends.end(), Json(*id)) == ends.end()) ends.push_back(*id);
    }
    if (!ends.empty()) config["eos_token_id"] = ends;
    if (const auto id = metadata_.get<int64_t>("tokenizer.ggml.bos_token_id")) config["bos_token_id"] = *id;
    return config;
  }

  Constant constant(const GgufTensor& tensor, const GgmlTransform& transform) const {
    const auto bytes = file_.file()->bytes().subspan(tensor.begin, tensor.end - tensor.begin);
    return ggml_constant(file_.file(), *tensor.type, tensor.shape, bytes, transform,
                         fmt::format("{}: tensor \"{}\"", source_, tensor.name));
  }

  GgmlTransform transform(const GgufTensor& tensor) const {
    const std::string_view part = gguf_part(tensor.name);
    GgmlTransform transform;
    if (architecture_.interleaved_heads && part == "attn_q")
      transform.rotary_heads = layer_size("attention.head_count");
    if (architecture_.interleaved_heads && part == "attn_k")
      transform.rotary_heads =
          layer_size(has("attention.head_count_kv") ? "attention.head_count_kv" : "attention.head_count");
    if (part.ends_with("_norm")) transform.added = architecture_.norm_added;
    return transform;
  }

  std::string hf_name(const std::string& name) const {
    if (std::optional<std::string> hf = hf_tensor_name(architecture_, name)) return *std::move(hf);
    throw UnsupportedError(
        "{}: tensor \"{}\" is not one that models of architecture \"{}\" are known to have", source_, name,
        architecture_.name);
  }

  const GgufFile& file_;
  const GgufMetadata& metadata_;
  const std::string& source_;
  const GgufArchitecture& architecture_;
};

}  // namespace

Checkpoint gguf_checkpoint(const GgufFile& file) {
  return Translator(file).checkpoint();
}

}  // namespace halftone
