#include "eval/arithmetic.h"

#include <fmt/format.h>

namespace halftone {

std::string arithmetic(const Engine& engine) {
  std::string activations = "f32";
  for (const Node& node : engine.plan().graph().nodes())
    for (const auto& encoding : node.use_encodings)
      if (encoding && activations.find(encoding->str()) == std::string::npos)
        activations = activations == "f32" ? encoding->str() : activations + " and " + encoding->str();
  const KvCache::Layout& kv = engine.kv_layout();
  std::string cache(kv_format_name(kv.format));
  if (codes_by_block(kv.format)) cache += fmt::format(" (newest {} tokens f16)", kv.residual_tokens);
  return fmt::format("activations {}, KV cache {}", activations, cache);
}

}  // namespace halftone
