#include "models/decoder.h"

namespace halftone {

/// Phi-3, Phi-3.5-mini and Phi-4-mini: q, k, v in one tensor, gate and up in another.
Graph build_phi3(const Checkpoint& checkpoint, const BuildOptions& options) {
  Decoder decoder(checkpoint, options, read_decoder_config(checkpoint, options));
  const Rope rope = single_rope(decoder);
  const int window = sliding_window(decoder.config());
  return build_pre_norm_decoder(
      decoder, [&](int) { return AttentionOptions{.rope = rope, .fused_qkv = true, .window = window}; },
      {.fused_gate_up = true});
}

}  // namespace halftone
