#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "base/json.h"
#include "formats/gguf.h"
#include "shared_files.h"
#include "tokenizer/tokenizer.h"

namespace halftone {
namespace {

/// A vocabulary and the pair of texts and ids that belongs to it.
struct Pair {
  const char* vocabulary;
  const char* texts;
};

GgufVocabulary vocabulary_of(const GgufMetadata& metadata) {
  auto key = [](const char* name) { return std::string("tokenizer.ggml.") + name; };
  auto number = [&](const char* name) { return metadata.get<int64_t>(key(name)); };
  auto flag = [&](const char* name) { return metadata.get<bool>(key(name)); };
  GgufVocabulary v;
  v.source = metadata.source();
  v.name = metadata.get<std::string>("general.name").value_or("");
  v.model = metadata.require<std::string>(key("model"));
  v.pre = metadata.get<std::string>(key("pre")).value_or("");
  v.tokens = metadata.require<std::vector<std::string>>(key("tokens"));
  v.merges = metadata.get<std::vector<std::string>>(key("merges")).value_or(std::vector<std::string>());
  auto scores = metadata.get<std::vector<double>>(key("scores")).value_or(std::vector<double>());
  v.scores.assign(scores.begin(), scores.end());
  auto types = metadata.get<std::vector<int64_t>>(key("token_type")).value_or(std::vector<int64_t>());
  v.token_types.assign(types.begin(), types.end());
  v.bos_id = number("bos_token_id");
  v.eos_id = number("eos_token_id");
  v.unknown_id = number("unknown_token_id");
  v.separator_id = number("seperator_token_id");
  v.cls_id = number("cls_token_id");
  v.add_bos = flag("add_bos_token");
  v.add_eos = flag("add_eos_token");
  v.add_space_prefix = flag("add_space_prefix");
  return v;
}

std::unique_ptr<Tokenizer> open(const fs::path& path) {
  return path.extension() == ".gguf" ? make_tokenizer(vocabulary_of(GgufFile(path).metadata()))
                                     : load_tokenizer(path);
}

std::vector<std::string> read_texts(const fs::path& path) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::string all = read_text(path);
  std::vector<std::string> texts;
  size_t done = 0;
  for (size_t at; (at = all.find(separator, done)) != std::string::npos; done = at + separator.size())
    texts.push_back(all.substr(done, at - done));
  if (done < all.size()) texts.push_back(all.substr(done));
  return texts;
}

class ReferencePairs : public testing::TestWithParam<Pair> {};

// The ids that llama.cpp's test files hold for Hugging Face's own tokenizers.
TEST_P(ReferencePairs, IdsEqual) {
  SKIP_WITHOUT_SHARED("tokenizers");
  fs::path folder = shared_path("tokenizers");
  auto tokenizer = open(folder / GetParam().vocabulary);
  std::vector<std::string> texts = read_texts(folder / (std::string(GetParam().texts) + ".gguf.inp"));
  std::ifstream expected(folder / (std::string(GetParam().texts) + ".gguf.out"));
  ASSERT_GT(texts.size(), 40u);
  for (const std::string& text : texts) {
    std::string line;
    ASSERT_TRUE(std::getline(expected, line));
    std::istringstream numbers(line);
    std::vector<TokenId> ids;
    for (TokenId id; numbers >> id;) ids.push_back(id);
    EXPECT_EQ(tokenizer->encode(text, false, false), ids) << "text: " << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Shared, ReferencePairs,
                         testing::Values(Pair{"ggml-vocab-bert-bge.gguf", "ggml-vocab-bert-bge"},
                                         Pair{"ggml-vocab-deepseek-llm.gguf", "ggml-vocab-deepseek-llm"},
                                         Pair{"ggml-vocab-falcon.gguf", "ggml-vocab-falcon"},
                                         Pair{"ggml-vocab-gpt-2.gguf", "ggml-vocab-gpt-2"},
                                         Pair{"ggml-vocab-llama-spm.gguf", "ggml-vocab-llama-spm"},
                                         Pair{"ggml-vocab-phi-3.gguf", "ggml-vocab-phi-3"},
                                         Pair{"ggml-vocab-starcoder.gguf", "ggml-vocab-starcoder"},
                                         Pair{"llama2_tokenizer.model", "ggml-vocab-llama-spm"},
                                         Pair{"llama3_ranks.tiktoken", "ggml-vocab-llama-bpe"},
                                         Pair{"qwen.tiktoken", "ggml-vocab-qwen2"},
                                         Pair{"qwen.tiktoken", "ggml-vocab-deepseek-r1-qwen"}),
                         [](const auto& info) {
                           std::string name = std::string(info.param.vocabulary) + "_" + info.param.texts;
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name;
                         });

/// Names of goldens.json (tools/goldens/tokenizer_ids.py) and the files they stand for.
struct Golden {
  const char* name;
  const char* file;
  bool special = true;  // whether the reference knows the special tokens
};

fs::path golden_path(const std::string& file) {
  fs::path own = source_path("tests/testdata/tokenizers") / file;
  return fs::exists(own) ? own : shared_path(file);
}

/// Chunks of 64 KiB, each cut before the next character.
std::vector<std::string> chunks_of(const std::string& text) {
  std::vector<std::string> chunks;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(begin + (64 << 10), text.size());
    while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;
    chunks.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return chunks;
}

class SharedTexts : public testing::TestWithParam<Golden> {};

// Every text of the shared material, against the `tokenizers` and `sentencepiece` packages.
TEST_P(SharedTexts, IdsEqual) {
  SKIP_WITHOUT_SHARED("text");
  SKIP_WITHOUT_SHARED("tokenizers");
  auto tokenizer = open(golden_path(GetParam().file));
  Json goldens = read_json(source_path("tests/testdata/tokenizers/goldens.json"));
  for (const auto& [text, golden] : goldens.at(GetParam().name).items()) {
    std::vector<size_t> counts;
    uint64_t hash = 0xCBF29CE484222325;
    for (const std::string& chunk : chunks_of(read_text(shared_path("text") / text))) {
      std::vector<TokenId> ids = tokenizer->encode(chunk, false, GetParam().special);
      counts.push_back(ids.size());
      for (TokenId id : ids)
        for (int shift = 0; shift < 32; shift += 8)
          hash = (hash ^ (static_cast<uint32_t>(id) >> shift & 0xFF)) * 0x100000001B3;
    }
    EXPECT_EQ(counts, golden.at("counts").get<std::vector<size_t>>()) << text;
    EXPECT_EQ(fmt::format("{:016x}", hash), golden.at("fnv1a").get<std::string>()) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shared, SharedTexts,
    testing::Values(Golden{"unigram", "unigram.json"}, Golden{"wordpiece", "wordpiece.json"},
                    Golden{"gemma_like", "gemma_like.json"}, Golden{"stories260K", "models/llm/stories260K"},
                    Golden{"babyllama105", "models/llm/babyllama105"},
                    Golden{"smollm2", "tokenizers/smollm2_tokenizer.json"},
                    Golden{"gpt2", "tokenizers/ggml-vocab-gpt-2.gguf", false},
                    Golden{"llama3", "tokenizers/llama3_ranks.tiktoken", false},
                    Golden{"qwen2", "tokenizers/qwen.tiktoken", false},
                    Golden{"llama2_sp", "tokenizers/llama2_tokenizer.model", false},
                    Golden{"llama2_sp", "tokenizers/ggml-vocab-llama-spm.gguf", false},
                    Golden{"babyllama105_sp", "models/llm/babyllama105/tokenizer.model", false}),
    [](const auto& info) { return fmt::format("{}_{}", info.param.name, info.index); });

}  // namespace
}  // namespace halftone
