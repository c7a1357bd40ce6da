#include "models/gemma.h"

namespace halftone {
namespace {

// What transformers fills in for configurations that leave it out.
const Json kDefaults = {{"head_dim", 256},
                        {"hidden_activation", "gelu_pytorch_tanh"},
                        {"query_pre_attn_scalar", 256},
                        {"sliding_window", 4096},
                        {"attn_logit_softcapping", 50.0},
                        {"final_logit_softcapping", 30.0},
                        {"tie_word_embeddings", true}};

}  // namespace

/// Gemma 2: layers with a window and without by turns.
Graph build_gemma2(const Checkpoint& checkpoint, const BuildOptions& options) {
  Decoder decoder(checkpoint, options, read_decoder_config(checkpoint, options, kDefaults));
  const Rope rope = single_rope(decoder);
  const int window = sliding_window(decoder.config());
  const std::vector<bool> sliding =
      sliding_layers(decoder.config(), [](int layer) { return layer % 2 == 0; });
  return build_gemma_decoder(decoder, [&](int layer) {
    return AttentionOptions{.rope = rope, .window = sliding[static_cast<size_t>(layer)] ? window : 0};
  });
}

}  // namespace halftone
