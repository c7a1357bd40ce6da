#include "models/decoder.h"
#include "models/qwen.h"

namespace halftone {

/// Qwen3 (dense): norms on the heads of q and k.
Graph build_qwen3(const Checkpoint& checkpoint, const BuildOptions& options) {
  Decoder decoder(checkpoint, options, read_decoder_config(checkpoint, options, {{"head_dim", 128}}));
  const DecoderConfig& config = decoder.config();
  const Rope rope = single_rope(decoder);
  const std::vector<int> windows = qwen_windows(config);
  const bool bias = json_get_or<bool>(config.json, "attention_bias", false, config.source);
  return build_pre_norm_decoder(decoder, [&](int layer) {
    return AttentionOptions{.rope = rope,
                            .qkv_bias = bias,
                            .output_bias = bias,
                            .qk_norm = true,
                            .window = windows[static_cast<size_t>(layer)]};
  });
}

}  // namespace halftone
