#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "llm/generate.h"
#include "llm/load_llm.h"

namespace halftone::cli {

/// What commands that make text take. What is not given comes from the model's generation_config.json.
struct TextOptions {
  int max_tokens = 0;
  std::optional<float> temperature, top_p, min_p, repeat_penalty;
  std::optional<int> top_k;
  std::optional<uint64_t> seed;
  std::vector<std::string> stops;
};

/// Adds -n/--max-tokens, --temp, --top-k, --top-p, --min-p, --repeat-penalty, --seed and --stop.
void add_text_options(CLI::App& command, TextOptions& options);

/// The flags over the model's own defaults. Without --seed a fresh seed is drawn. Throws UsageError.
GenerationOptions generation_options(const TextOptions& options, const LlmModel& model);

}  // namespace halftone::cli
