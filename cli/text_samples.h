#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "eval/calibration_text.h"
#include "llm/load_llm.h"

namespace halftone::cli {

/// Windows of a text as samples for commands that look at layers: --text, --window and --max-windows.
struct TextSampleOptions {
  std::string path;
  int window = 0;  ///< 0: 512, or the context if that is less
  int max_windows = 8;

  void add_to(CLI::App& command);
};

struct TextSamples {
  std::vector<std::vector<TokenId>> windows;
  std::string protocol;
};

/// The first windows of the text. Throws InputError when there are fewer than two tokens.
TextSamples read_text_samples(const TextSampleOptions& options, const LlmModel& model);

}  // namespace halftone::cli
