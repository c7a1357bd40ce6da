#include "models/decoder.h"

namespace halftone {

/// Mistral: Llama with one window on every layer (null from version 0.2 on; 4096 where it is left out, as in
/// transformers).
Graph build_mistral(const Checkpoint& checkpoint, const BuildOptions& options) {
  Decoder decoder(checkpoint, options, read_decoder_config(checkpoint, options, {{"sliding_window", 4096}}));
  const Rope rope = single_rope(decoder);
  const int window = sliding_window(decoder.config());
  return build_pre_norm_decoder(decoder,
                                [&](int) { return AttentionOptions{.rope = rope, .window = window}; });
}

}  // namespace halftone
