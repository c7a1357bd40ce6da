#include "models/config.h"

#include <algorithm>
#include <cmath>

#include "models/rope.h"

namespace halftone {
namespace {

// Far above any model there is, and low enough that products of two of them cannot overflow.
constexpr int64_t kMaxWidth = int64_t{1} << 22;
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxContext = int64_t{1} << 24;

int64_t positive(const DecoderConfig& config, const char* key, int64_t most) {
  const int64_t value = json_get<int64_t>(config.json, key, config.source);
  if (value < 1 || value > most)
    throw InputError("{}: key \"{}\": expected 1 to {}, found {}", config.source, key, most, value);
  return value;
}

int64_t positive_or(const DecoderConfig& config, const char* key, int64_t most, int64_t fallback) {
  auto found = config.json.find(key);
  return found == config.json.end() || found->is_null() ? fallback : positive(config, key, most);
}

int64_t head_dim_of(const DecoderConfig& config) {
  const int64_t given = positive_or(config, "head_dim", kMaxWidth, 0);
  if (given > 0) return given;
  if (config.hidden % config.heads != 0)
    throw InputError("{}: hidden_size {} does not divide into {} attention heads, and there is no head_dim",
                     config.source, config.hidden, config.heads);
  return config.hidden / config.heads;
}

int64_t context_of(const DecoderConfig& config, const BuildOptions& options) {
  if (options.context == 0) return config.max_positions;
  const int64_t most = longest_context(config.json, config.max_positions, config.source);
  if (options.context < 1 || options.context > std::min(most, kMaxContext))
    throw UsageError("context of {} tokens: {} allows 1 to {}", options.context, config.source,
                     std::min(most, kMaxContext));
  return options.context;
}

}  // namespace

DecoderConfig read_decoder_config(Json json, std::string source, const BuildOptions& options,
                                  const Json& defaults) {
  if (!json.is_object()) throw InputError("{}: expected a JSON object", source);
  DecoderConfig config;
  config.source = std::move(source);
  config.json = std::move(json);
  for (const auto& [key, value] : defaults.items())
    if (!config.json.contains(key)) config.json[key] = value;

  config.hidden = positive(config, "hidden_size", kMaxWidth);
  config.intermediate = positive(config, "intermediate_size", kMaxWidth);
  config.vocab = positive(config, "vocab_size", int64_t{1} << 28);
  config.layers = static_cast<int>(positive(config, "num_hidden_layers", kMaxLayers));
  config.heads = positive(config, "num_attention_heads", kMaxWidth);
  config.kv_heads = positive_or(config, "num_key_value_heads", kMaxWidth, config.heads);
  if (config.heads % config.kv_heads != 0)
    throw InputError("{}: {} attention heads do not divide over {} key-value heads", config.source,
                     config.heads, config.kv_heads);
  config.head_dim = head_dim_of(config);
  if (config.head_dim * config.heads > kMaxWidth)
    throw InputError("{}: {} attention heads of {} are more than {} in all", config.source, config.heads,
                     config.head_dim, kMaxWidth);
  config.max_positions = positive(config, "max_position_embeddings", kMaxContext);
  config.context = context_of(config, options);
  config.norm_epsilon = json_get<float>(config.json, "rms_norm_eps", config.source);
  if (!(config.norm_epsilon >= 0) || !std::isfinite(config.norm_epsilon))
    throw InputError("{}: key \"rms_norm_eps\": expected a number from 0 on, found {}", config.source,
                     config.norm_epsilon);
  config.activation = json_get_or<std::string>(config.json, "hidden_activation", "", config.source);
  if (config.activation.empty())
    config.activation = json_get<std::string>(config.json, "hidden_act", config.source);
  config.tied_embeddings = json_get_or<bool>(config.json, "tie_word_embeddings", false, config.source);
  return config;
}

DecoderConfig read_decoder_config(const Checkpoint& checkpoint, const BuildOptions& options,
                                  const Json& defaults) {
  return read_decoder_config(checkpoint.config, config_source(checkpoint), options, defaults);
}

std::string config_source(const Checkpoint& checkpoint) {
  return fs::is_directory(checkpoint.path) ? (checkpoint.path / "config.json").string()
                                           : checkpoint.path.string();
}

std::vector<bool> sliding_layers(const DecoderConfig& config,
                                 const std::function<bool(int layer)>& otherwise) {
  const auto words = json_get_or<std::vector<std::string>>(config.json, "layer_types", {}, config.source);
  std::vector<bool> sliding;
  if (words.empty()) {
    for (int layer = 0; layer < config.layers; ++layer) sliding.push_back(otherwise(layer));
    return sliding;
  }
  if (words.size() != static_cast<size_t>(config.layers))
    throw InputError("{}: key \"layer_types\": expected {} entries, one a layer, found {}", config.source,
                     config.layers, words.size());
  for (const std::string& word : words) {
    if (word != "sliding_attention" && word != "full_attention")
      throw UnsupportedError("{}: layer type \"{}\" (known: full_attention, sliding_attention)",
                             config.source, word);
    sliding.push_back(word == "sliding_attention");
  }
  return sliding;
}

int sliding_window(const DecoderConfig& config) {
  const int64_t window = json_get_or<int64_t>(config.json, "sliding_window", 0, config.source);
  if (window < 0)
    throw InputError("{}: key \"sliding_window\": expected 1 or more, found {}", config.source, window);
  return window >= config.context ? 0 : static_cast<int>(window);
}

}  // namespace halftone
