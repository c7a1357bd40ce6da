#include "llm/load_llm.h"

#include <algorithm>

#include "formats/gguf.h"
#include "llm/gguf_tokenizer.h"
#include "models/model.h"

namespace halftone {
namespace {

std::string piece_text(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.piece(*id)) : std::string();
}

/// What the checkpoint says, and the tokenizer where it says more.
void use_end_tokens(LlmModel& model, const Checkpoint& checkpoint) {
  for (int64_t id : special_tokens(checkpoint).eos) model.end_tokens.push_back(static_cast<TokenId>(id));
  for (TokenId id : model.tokenizer->eos())
    if (std::find(model.end_tokens.begin(), model.end_tokens.end(), id) == model.end_tokens.end())
      model.end_tokens.push_back(id);
}

void use_tokenizer_folder(LlmModel& model, const fs::path& folder) {
  model.tokenizer = load_tokenizer(folder);
  const TokenizerConfig config = read_tokenizer_config(folder);
  const auto& tokenizer = *model.tokenizer;
  const std::vector<TokenId> eos = tokenizer.eos();
  model.bos_text = config.bos_token.value_or(piece_text(tokenizer, tokenizer.bos()));
  model.eos_text = config.eos_token.value_or(
      piece_text(tokenizer, eos.empty() ? std::nullopt : std::optional(eos.front())));
  if (const std::string* text = config.chat_template()) model.chat_template = *text;
}

LlmModel load_gguf(const fs::path& path, const BuildOptions& options) {
  LlmModel model;
  const GgufFile file(path);
  const Checkpoint checkpoint = gguf_checkpoint(file);
  model.graph = build_llm(checkpoint, options);
  model.tokenizer = make_tokenizer(gguf_vocabulary(file.metadata()));
  const std::vector<TokenId> eos = model.tokenizer->eos();
  model.bos_text = piece_text(*model.tokenizer, model.tokenizer->bos());
  model.eos_text = piece_text(*model.tokenizer, eos.empty() ? std::nullopt : std::optional(eos.front()));
  model.chat_template = file.metadata().get<std::string>("tokenizer.chat_template");
  model.sampling = sampling_from(checkpoint.generation_config, path.string());
  use_end_tokens(model, checkpoint);
  return model;
}

LlmModel load_folder(const fs::path& path, const BuildOptions& options) {
  LlmModel model;
  const Checkpoint checkpoint = open_checkpoint(path);
  model.graph = build_llm(checkpoint, options);
  use_tokenizer_folder(model, path);
  model.sampling = sampling_from(checkpoint.generation_config, (path / "generation_config.json").string());
  use_end_tokens(model, checkpoint);
  return model;
}

}  // namespace

SamplingOptions sampling_from(const Json& config, const std::string& source) {
  SamplingOptions sampling;
  const auto says = [&](const char* key) {
    return config.is_object() && config.contains(key) && !config[key].is_null();
  };
  const bool samples = json_get_or(config, "do_sample", false, source);
  if (says("do_sample") && !samples) sampling.temperature = 0;
  if (samples) sampling = {.temperature = 1, .top_k = 50, .top_p = 1};
  sampling.top_k = json_get_or(config, "top_k", sampling.top_k, source);
  sampling.top_p = json_get_or(config, "top_p", sampling.top_p, source);
  sampling.min_p = json_get_or(config, "min_p", sampling.min_p, source);
  sampling.repeat_penalty = json_get_or(config, "repetition_penalty", sampling.repeat_penalty, source);
  if (sampling.temperature > 0)
    sampling.temperature = json_get_or(config, "temperature", sampling.temperature, source);
  try {
    check(sampling);
  } catch (const UsageError& error) {
    throw InputError("{}: {}", source, error.what());
  }
  return sampling;
}

LlmModel load_llm(const fs::path& path, int64_t context) {
  if (!fs::exists(path)) throw InputError("{}: no such file or folder", path.string());
  const BuildOptions options{.context = context};
  LlmModel model = fs::is_directory(path) ? load_folder(path, options) : load_gguf(path, options);
  fs::path name = fs::weakly_canonical(path);
  model.name = name.filename().string();
  return model;
}

}  // namespace halftone
