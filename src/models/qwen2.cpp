#include "models/decoder.h"
#include "models/qwen.h"

namespace halftone {

/// Qwen2 and Qwen2.5: biases on q, k and v only.
Graph build_qwen2(const Checkpoint& checkpoint, const BuildOptions& options) {
  Decoder decoder(checkpoint, options, read_decoder_config(checkpoint, options));
  const Rope rope = single_rope(decoder);
  const std::vector<int> windows = qwen_windows(decoder.config());
  return build_pre_norm_decoder(decoder, [&](int layer) {
    return AttentionOptions{.rope = rope, .qkv_bias = true, .window = windows[static_cast<size_t>(layer)]};
  });
}

}  // namespace halftone
