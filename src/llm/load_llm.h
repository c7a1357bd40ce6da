#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "formats/halftone_folder.h"
#include "graph/graph.h"
#include "llm/sampler.h"
#include "tokenizer/tokenizer.h"

namespace halftone {

/// An LLM ready to be compiled, with all that its files say about using it.
struct LlmModel {
  std::string name;  ///< the folder's or file's own, for people
  Graph graph;
  std::shared_ptr<const Tokenizer> tokenizer;
  SamplingOptions sampling;                    ///< what generation_config.json suggests, else our defaults
  std::vector<TokenId> end_tokens;             ///< each ends an answer
  std::string bos_text, eos_text;              ///< as chat templates print them; may be empty
  std::optional<std::string> chat_template{};  ///< Jinja
};

/// A Hugging Face folder, a Halftone folder, or one .gguf file. `context` is the longest sequence wanted, in
/// tokens (0: what the model was trained for). Throws InputError, UnsupportedError; UsageError for a context
/// beyond the model's.
LlmModel load_llm(const fs::path& path, int64_t context = 0);

/// The same of a Halftone folder that is open already.
LlmModel load_llm(HalftoneModel stored);

/// Sampling as a generation_config.json asks for it: greedy when do_sample is false, transformers' own
/// defaults for what is left out when it is true; ours when it says nothing about sampling. `source` is for
/// errors.
SamplingOptions sampling_from(const Json& generation_config, const std::string& source);

}  // namespace halftone
