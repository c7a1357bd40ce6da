#include "tokenizer/make_gguf_vocabulary.h"

#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "shared_files.h"

namespace halftone {
namespace {

/// A folder that is gone with its owner.
class Folder {
 public:
  Folder()
      : path(fs::path(testing::TempDir()) / fmt::format("halftone_vocabulary_{}_{}", ::getpid(), count_++)) {
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const fs::path path;

 private:
  static inline int count_ = 0;
};

/// The folder's tokenizer and the vocabulary made of it give the same ids of the text.
void expect_same_ids(const fs::path& folder, const GgufVocabulary& vocabulary, const std::string& text) {
  const auto original = load_tokenizer(folder);
  const auto made = make_tokenizer(vocabulary);
  EXPECT_EQ(made->encode(text), original->encode(text));
  EXPECT_EQ(made->bos(), original->bos());
}

TEST(MakeGgufVocabulary, OfTheZoosByteLevelTokenizer) {
  const fs::path folder = source_path("zoo/llm");
  const GgufVocabulary vocabulary = make_gguf_vocabulary(folder, 4096);
  EXPECT_EQ(vocabulary.model, "gpt2");
  EXPECT_EQ(vocabulary.pre, "dbrx");  // Llama 3's words, and merges count
  EXPECT_EQ(vocabulary.tokens.size(), 4096u);
  EXPECT_EQ(vocabulary.add_bos, true);
  EXPECT_EQ(vocabulary.add_eos, false);
  EXPECT_EQ(vocabulary.eos_id, 4095);
  expect_same_ids(folder, vocabulary, read_text(source_path("zoo/heldout.txt")).substr(0, 100000));
}

TEST(MakeGgufVocabulary, RowsBeyondTheTokensAreUnused) {
  const GgufVocabulary vocabulary = make_gguf_vocabulary(source_path("zoo/llm"), 4100);
  ASSERT_EQ(vocabulary.tokens.size(), 4100u);
  EXPECT_EQ(vocabulary.tokens.back(), "[PAD4099]");
  EXPECT_EQ(vocabulary.token_types.back(), 5);
  EXPECT_THROW(make_gguf_vocabulary(source_path("zoo/llm"), 4000), UnsupportedError);
}

TEST(MakeGgufVocabulary, OfSentencepieceWithAndWithoutItsScores) {
  SKIP_WITHOUT_SHARED("models/llm/stories260K/tokenizer.json");
  const fs::path folder = shared_path("models/llm/stories260K");
  const std::string text =
      read_text(shared_path("text/exl3_cal_tiny.utf8")).substr(0, 100000) + " Ünïcödé 你好";
  const GgufVocabulary with_scores = make_gguf_vocabulary(folder, 512);
  EXPECT_EQ(with_scores.model, "llama");
  EXPECT_EQ(with_scores.add_space_prefix, true);
  expect_same_ids(folder, with_scores, text);

  const Folder copy;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    fs::copy(folder / name, copy.path / name);
  expect_same_ids(copy.path, make_gguf_vocabulary(copy.path, 512), text);
}

TEST(MakeGgufVocabulary, OfBigVocabularies) {
  SKIP_WITHOUT_SHARED("tokenizers/smollm2_tokenizer.json");
  const std::string text = read_text(shared_path("text/wiki.test.raw")).substr(0, 100000);
  struct Case {
    const char* file;
    const char* name;
    const char* pre;
  };
  for (const Case& at : {Case{"smollm2_tokenizer.json", "tokenizer.json", "starcoder"},
                         Case{"llama2_tokenizer.model", "tokenizer.model", "default"}}) {
    SCOPED_TRACE(at.file);
    const Folder folder;
    fs::copy(shared_path("tokenizers") / at.file, folder.path / at.name);
    const GgufVocabulary vocabulary =
        make_gguf_vocabulary(folder.path, load_tokenizer(folder.path)->vocab_size());
    EXPECT_EQ(vocabulary.pre, at.pre);
    expect_same_ids(folder.path, vocabulary, text);
  }
}

TEST(MakeGgufVocabulary, WhatAGgufDoesNotHaveIsRefused) {
  const Folder folder;
  std::ofstream(folder.path / "tokenizer.json")
      << R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1]]}})";
  EXPECT_THROW(make_gguf_vocabulary(folder.path, 2), UnsupportedError);
}

}  // namespace
}  // namespace halftone
