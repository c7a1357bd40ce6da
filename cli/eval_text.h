#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

#include "eval/perplexity.h"

namespace halftone::cli {

/// Text to evaluate on, cut into windows: options that eval and sweep share.
struct EvalTextOptions {
  std::string path;
  int window = 0;  ///< 0: min(2048, the model's context)
  int max_windows = 0;

  void add_to(CLI::App& command);
};

/// A text as tokens, its windows, and the protocol in words.
struct EvalText {
  std::vector<TokenId> tokens;
  std::vector<std::span<const TokenId>> windows;  ///< into tokens
  std::string protocol;  ///< "wiki.test.raw (rows joined by blank lines), window 2048, stride 2048, BOS at
                         ///< the start, ..."
};

/// `activations` says how activations are computed ("int8 per-token dynamic"): a perplexity without it is not
/// comparable.
EvalText read_eval_text(const EvalTextOptions& options, const Tokenizer& tokenizer, int context);

}  // namespace halftone::cli
