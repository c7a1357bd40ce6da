#include "llm/load_llm.h"

#include <algorithm>

#include "formats/gguf.h"
#include "formats/halftone_folder.h"
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

void use_gguf_metadata(LlmModel& model, const GgufMetadata& metadata) {
  model.tokenizer = make_tokenizer(gguf_vocabulary(metadata));
  const std::vector<TokenId> eos = model.tokenizer->eos();
  model.bos_text = piece_text(*model.tokenizer, model.tokenizer->bos());
  model.eos_text = piece_text(*model.tokenizer, eos.empty() ? std::nullopt : std::optional(eos.front()));
  model.chat_template = metadata.get<std::string>("tokenizer.chat_template");
}

LlmModel load_gguf(const fs::path& path, const BuildOptions& options) {
  LlmModel model;
  const GgufFile file(path);
  const Checkpoint checkpoint = gguf_checkpoint(file);
  model.graph = build_llm(checkpoint, options);
  use_gguf_metadata(model, file.metadata());
  model.sampling = sampling_from(checkpoint.generation_config, path.string());
  use_end_tokens(model, checkpoint);
  return model;
}

LlmModel load_hf_folder(const fs::path& path, const BuildOptions& options) {
  LlmModel model;
  const Checkpoint checkpoint = open_checkpoint(path);
  model.graph = build_llm(checkpoint, options);
  use_tokenizer_folder(model, path);
  model.sampling = sampling_from(checkpoint.generation_config, (path / "generation_config.json").string());
  use_end_tokens(model, checkpoint);
  return model;
}

LlmModel load_halftone_folder(HalftoneModel stored) {
  LlmModel model;
  const fs::path path = stored.path;
  model.graph = std::move(stored.graph);
  const fs::path vocabulary = path / "tokenizer.gguf";
  if (fs::exists(vocabulary))
    use_gguf_metadata(model, GgufFile(vocabulary).metadata());
  else
    use_tokenizer_folder(model, path);
  model.sampling = sampling_from(stored.generation_config, (path / "generation_config.json").string());
  Checkpoint settings;
  settings.path = path;
  settings.config = std::move(stored.config);
  settings.generation_config = std::move(stored.generation_config);
  use_end_tokens(model, settings);
  return model;
}

LlmModel load_any(const fs::path& path, const BuildOptions& options) {
  if (!fs::exists(path)) throw InputError("{}: no such file or folder", path.string());
  if (!fs::is_directory(path)) return load_gguf(path, options);
  // A stored graph keeps the context that it was built for.
  return is_halftone_folder(path) ? load_halftone_folder(load_halftone(path)) : load_hf_folder(path, options);
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

LlmModel load_llm(HalftoneModel stored) {
  const std::string name = fs::weakly_canonical(stored.path).filename().string();
  LlmModel model = load_halftone_folder(std::move(stored));
  model.name = name;
  return model;
}

LlmModel load_llm(const fs::path& path, int64_t context) {
  LlmModel model = load_any(path, {.context = context});
  model.name = fs::weakly_canonical(path).filename().string();
  return model;
}

}  // namespace halftone
