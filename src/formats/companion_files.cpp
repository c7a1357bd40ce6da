#include <algorithm>

#include "formats/gguf.h"
#include "formats/halftone_folder.h"

namespace halftone {
namespace {

constexpr size_t kMaxCompanion = size_t{256} << 20;

constexpr std::string_view kNames[] = {"config.json",
                                       "generation_config.json",
                                       "tokenizer.json",
                                       "tokenizer.model",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "added_tokens.json",
                                       "vocab.json",
                                       "merges.txt",
                                       "vocab.txt",
                                       "chat_template.jinja",
                                       "chat_template.json",
                                       "tokenizer.gguf",
                                       "preprocessor_config.json",
                                       "preprocess.json",
                                       "processor_config.json"};

bool is_companion(const fs::path& name) {
  return name.extension() == ".tiktoken" ||
         std::find(std::begin(kNames), std::end(kNames), name.string()) != std::end(kNames);
}

}  // namespace

std::vector<CompanionFile> companion_files(const fs::path& model) {
  std::vector<CompanionFile> files;
  if (fs::is_directory(model)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(model))
      if (is_companion(entry.path().filename()))
        files.push_back({entry.path().filename().string(), read_text(entry.path(), kMaxCompanion)});
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  } else if (model.extension() == ".gguf") {
    const GgufFile file(model);
    const Checkpoint checkpoint = gguf_checkpoint(file);
    files.push_back({"config.json", checkpoint.config.dump(2) + "\n"});
    files.push_back({"generation_config.json", checkpoint.generation_config.dump(2) + "\n"});
    files.push_back({"tokenizer.gguf", gguf_metadata_only(file)});
  }
  return files;
}

}  // namespace halftone
