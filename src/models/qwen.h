#pragma once

#include "models/config.h"

namespace halftone {

/// Qwen's windows by layer (0: none): only under use_sliding_window, and then from max_window_layers on.
inline std::vector<int> qwen_windows(const DecoderConfig& config) {
  const bool used = json_get_or<bool>(config.json, "use_sliding_window", false, config.source);
  const int64_t first = json_get_or<int64_t>(config.json, "max_window_layers", 28, config.source);
  const int window = used ? sliding_window(config) : 0;
  std::vector<int> windows;
  for (bool slides : sliding_layers(config, [&](int layer) { return layer >= first; }))
    windows.push_back(slides ? window : 0);
  return windows;
}

}  // namespace halftone
