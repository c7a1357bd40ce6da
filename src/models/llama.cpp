#include "models/decoder.h"

namespace halftone {

/// Llama 1 to 3.3, and what is built like it: Vicuna, TinyLlama, SmolLM2.
Graph build_llama(const Checkpoint& checkpoint, const BuildOptions& options) {
  Decoder decoder(checkpoint, options, read_decoder_config(checkpoint, options));
  const DecoderConfig& config = decoder.config();
  const Rope rope = single_rope(decoder);
  const bool attention_bias = json_get_or<bool>(config.json, "attention_bias", false, config.source);
  const bool mlp_bias = json_get_or<bool>(config.json, "mlp_bias", false, config.source);
  return build_pre_norm_decoder(
      decoder,
      [&](int) {
        return AttentionOptions{.rope = rope, .qkv_bias = attention_bias, .output_bias = attention_bias};
      },
      {.bias = mlp_bias});
}

}  // namespace halftone
