#pragma once

#include <string>

#include "llm/engine.h"

namespace halftone {

/// How an engine computes, as a perplexity has to say beside the text's protocol: "activations int8 per-token
/// dynamic, KV cache f16".
std::string arithmetic(const Engine& engine);

}  // namespace halftone
