#pragma once

#include <optional>
#include <string>

#include "models/model.h"

namespace halftone {

/// The graph of what turns pictures into tokens of a language model: a vision transformer and the projector
/// behind it. `config` holds
///   vision_config  of the transformer, as Hugging Face has it (model_type siglip_vision_model or
///                  clip_vision_model)
///   projector      linear, mlp2x_gelu (LLaVA) or mlp_downsample (VILA: 2 x 2 tokens become one)
///   scales         pictures of how many sizes are joined, channel by channel (S2, arXiv:2403.13043); 1
///   hidden_size    of the language model
///
/// Input:  pixel_values f32 [batch, channels, height, width], batch a symbol.
/// Output: tokens f32 [batch * tokens, hidden_size].
/// Throws UnsupportedError for another model_type or projector, InputError for a configuration or tensors
/// that do not fit.
Graph build_vision_tower(const Checkpoint& checkpoint, const Json& config, const BuildOptions& options = {});

}  // namespace halftone
