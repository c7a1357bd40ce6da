#include <algorithm>
#include <vector>

#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tiktoken.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_json.h"

namespace halftone {

namespace {

constexpr size_t kMaxFile = 256 << 20;

/// The tokenizer's file in a folder.
fs::path find_file(const fs::path& folder) {
  for (const char* name : {"tokenizer.json", "tokenizer.model"})
    if (fs::exists(folder / name)) return folder / name;
  std::vector<fs::path> ranks;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".tiktoken") ranks.push_back(entry.path());
  if (ranks.size() == 1) return ranks[0];
  throw InputError("{}: expected a tokenizer.json, tokenizer.model or one *.tiktoken, found {}",
                   folder.string(), ranks.empty() ? "none" : "several *.tiktoken");
}

/// tokenizer.model is also the name that Llama 3's own release gives its ranks.
bool is_ranks(const fs::path& path, std::string_view bytes) {
  if (path.extension() == ".tiktoken") return true;
  return bytes.substr(0, 64).find(" 0\n") != std::string_view::npos;
}

/// What the files beside the tokenizer say of the tokens that begin and end a text.
void apply_config(const TokenizerConfig& config, Pipeline& pipeline) {
  auto find = [&](const std::string& text) {
    auto id = pipeline.added.find(text);
    return id ? id : pipeline.vocabulary->find(text);
  };
  if (config.bos_token) pipeline.bos = find(*config.bos_token);
  if (!config.eos_token) return;
  pipeline.eos.clear();
  if (auto id = find(*config.eos_token)) pipeline.eos.push_back(*id);
}

/// Classes of transformers that go by add_bos_token and add_eos_token, up to version 4, whatever a
/// tokenizer.json says. Others go by the tokenizer.json alone.
bool heeds_flags(std::string_view tokenizer_class) {
  if (tokenizer_class.ends_with("Fast")) tokenizer_class.remove_suffix(4);
  constexpr std::string_view kClasses[] = {"LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer",
                                           "CohereTokenizer", "GPTNeoXTokenizer"};
  return std::ranges::find(kClasses, tokenizer_class) != std::end(kClasses);
}

void put_around(const TokenizerConfig& config, Pipeline& pipeline) {
  using Ids = std::vector<TokenId>;
  PostProcessor& around = pipeline.post_processor;
  if (config.add_bos_token)
    around.before = *config.add_bos_token && pipeline.bos ? Ids{*pipeline.bos} : Ids();
  if (config.add_eos_token)
    around.after = *config.add_eos_token && !pipeline.eos.empty() ? Ids{pipeline.eos.front()} : Ids();
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& path) {
  std::error_code ignored;
  fs::path file = fs::is_directory(path, ignored) ? find_file(path) : path;
  std::string bytes = read_text(file, kMaxFile);
  std::string source = file.string();
  TokenizerConfig config = read_tokenizer_config(file.parent_path());
  Pipeline pipeline;
  if (file.extension() == ".json") {
    pipeline = parse_tokenizer_json_pipeline(bytes, source);
  } else if (is_ranks(file, bytes)) {
    pipeline = parse_tiktoken(bytes, read_added_tokens(file.parent_path()), config, source);
  } else {
    pipeline = parse_sentencepiece(bytes, read_added_tokens(file.parent_path()), source);
  }
  apply_config(config, pipeline);
  if (file.extension() != ".json" || heeds_flags(config.tokenizer_class)) put_around(config, pipeline);
  return make_pipeline(std::move(pipeline), source);
}

}  // namespace halftone
