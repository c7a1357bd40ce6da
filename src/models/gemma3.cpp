#include "models/gemma.h"

namespace halftone {
namespace {

// What transformers fills in for configurations on the hub that leave it out.
const Json kDefaults = {{"vocab_size", 262208},
                        {"num_attention_heads", 8},
                        {"num_key_value_heads", 4},
                        {"head_dim", 256},
                        {"hidden_activation", "gelu_pytorch_tanh"},
                        {"max_position_embeddings", 131072},
                        {"rms_norm_eps", 1e-6},
                        {"query_pre_attn_scalar", 256},
                        {"sliding_window", 4096},
                        {"tie_word_embeddings", true},
                        {"rope_theta", 1000000.0}};

/// The text model's configuration, and where its weights lie.
struct TextModel {
  Json config;
  std::string source;
  std::string prefix;
};

TextModel text_model(const Checkpoint& checkpoint) {
  const std::string source = config_source(checkpoint);
  if (!checkpoint.config.contains("text_config")) return {checkpoint.config, source, "model"};
  const bool older = checkpoint.contains("language_model.model.embed_tokens.weight");
  return {checkpoint.config["text_config"], source + " (text_config)",
          older ? "language_model.model" : "model.language_model"};
}

/// Local layers turn by a base of their own, and without the scaling.
Json local_rope_settings(const DecoderConfig& config) {
  if (config.json.contains("rope_parameters"))
    return rope_settings(config.json, "sliding_attention", config.source);
  const double base = json_get_or<double>(config.json, "rope_local_base_freq", 10000.0, config.source);
  return rope_settings({{"rope_theta", base}}, "sliding_attention", config.source);
}

}  // namespace

/// Gemma 3, the text model: norms on the heads of q and k, one global layer in six, two rotary bases.
Graph build_gemma3(const Checkpoint& checkpoint, const BuildOptions& options) {
  const TextModel text = text_model(checkpoint);
  Decoder decoder(checkpoint, options, read_decoder_config(text.config, text.source, options, kDefaults),
                  text.prefix);
  const DecoderConfig& config = decoder.config();
  auto rope = [&](const std::string& name, const Json& settings) {
    return decoder.rope(name, rope_frequencies(settings, config.head_dim, config.max_positions,
                                               config.context, config.source));
  };
  const Rope global = rope("rope", rope_settings(config.json, "full_attention", config.source));
  const Rope local = rope("rope_local", local_rope_settings(config));
  const int64_t pattern = json_get_or<int64_t>(config.json, "sliding_window_pattern", 6, config.source);
  const std::vector<bool> sliding =
      sliding_layers(config, [&](int layer) { return pattern > 0 && (layer + 1) % pattern != 0; });
  const int window = sliding_window(config);
  return build_gemma_decoder(decoder, [&](int layer) {
    const bool is_local = sliding[static_cast<size_t>(layer)];
    return AttentionOptions{
        .rope = is_local ? local : global, .qk_norm = true, .window = is_local ? window : 0};
  });
}

}  // namespace halftone
