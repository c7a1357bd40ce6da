#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

#include "base/error.h"
#include "shared_files.h"
#include "tokenizer/tokenizer.h"

namespace halftone {
namespace {

using Ids = std::vector<TokenId>;

/// A folder that is gone with the test.
class TokenizerFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / (std::string("halftone_tokenizer_") +
                                              testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path put(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  fs::path folder_;
};

TEST_F(TokenizerFolder, ConfigSaysTokensFlagsAndTemplates) {
  put("tokenizer_config.json", R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>",
    "pad_token": null, "add_bos_token": true, "tokenizer_class": "LlamaTokenizer",
    "chat_template": [{"name": "default", "template": "A"}, {"name": "tool_use", "template": "B"}]})");
  put("special_tokens_map.json", R"({"eos_token": "other", "unk_token": {"content": "<unk>"}})");
  TokenizerConfig config = read_tokenizer_config(folder_);
  EXPECT_EQ(config.bos_token, "<s>");
  EXPECT_EQ(config.eos_token, "</s>");
  EXPECT_EQ(config.unk_token, "<unk>");
  EXPECT_FALSE(config.pad_token);
  EXPECT_EQ(config.add_bos_token, true);
  EXPECT_FALSE(config.add_eos_token);
  ASSERT_TRUE(config.chat_template("tool_use"));
  EXPECT_EQ(*config.chat_template("tool_use"), "B");
  put("chat_template.jinja", "C");
  EXPECT_EQ(*read_tokenizer_config(folder_).chat_template(), "C");
  put("tokenizer_config.json", R"({"bos_token": 7})");
  EXPECT_THROW(read_tokenizer_config(folder_), InputError);
  put("tokenizer_config.json", "[]");
  EXPECT_THROW(read_tokenizer_config(folder_), InputError);
}

TEST_F(TokenizerFolder, FlagsOfLlamasClassSpeakBeforeTokenizerJson) {
  put("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
    "added_tokens": [{"id": 1, "content": "<s>", "special": true}, {"id": 2, "content": "</s>", "special": true}],
    "post_processor": {"type": "TemplateProcessing", "pair": [],
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}})");
  const auto ids_under = [&](std::string_view flags, std::string_view type = "LlamaTokenizerFast") {
    put("tokenizer_config.json",
        fmt::format(R"({{"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "{}"{}}})", type,
                    flags));
    return load_tokenizer(folder_)->encode("a");
  };
  EXPECT_EQ(ids_under(""), (Ids{1, 0}));
  EXPECT_EQ(ids_under(R"(, "add_bos_token": false)"), (Ids{0}));
  EXPECT_EQ(ids_under(R"(, "add_bos_token": false)", "PreTrainedTokenizerFast"), (Ids{1, 0}));
  EXPECT_EQ(ids_under(R"(, "add_eos_token": true)"), (Ids{1, 0, 2}));
  EXPECT_EQ(ids_under(R"(, "add_bos_token": false, "add_eos_token": true)"), (Ids{0, 2}));
  put("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
    "added_tokens": [{"id": 1, "content": "<s>", "special": true}], "post_processor": {"type": "ByteLevel"}})");
  EXPECT_EQ(ids_under(R"(, "add_bos_token": true)"), (Ids{1, 0}));
}

TEST_F(TokenizerFolder, FolderWithoutTokenizerIsRefused) {
  EXPECT_THROW(load_tokenizer(folder_), InputError);
}

TEST_F(TokenizerFolder, RanksThatLieAreRefused) {
  EXPECT_THROW(load_tokenizer(put("a.tiktoken", "IQ== x\n")), InputError);
  EXPECT_THROW(load_tokenizer(put("a.tiktoken", "IQ==\n")), InputError);
  EXPECT_THROW(load_tokenizer(put("a.tiktoken", "I 0\n")), InputError);
  EXPECT_THROW(load_tokenizer(put("a.tiktoken", "IQ== 0\nIQ== 1\n")), InputError);
  EXPECT_THROW(load_tokenizer(put("a.tiktoken", "IQ== 99999999999\n")), InputError);
  EXPECT_THROW(load_tokenizer(put("a.tiktoken", "")), InputError);
}

GgufVocabulary small_gguf() {
  GgufVocabulary v;
  v.source = "test.gguf";
  v.model = "llama";
  v.tokens = {"<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "ab", "<0x0A>"};
  v.token_types = {2, 3, 3, 1, 1, 1, 1, 1, 6};
  v.scores = {0, 0, 0, -3, -4, -5, -1, -2, 0};
  v.bos_id = 1;
  v.eos_id = 2;
  v.unknown_id = 0;
  return v;
}

TEST(GgufVocabularyTest, ScoresMergeTheBestFirst) {
  auto tokenizer = make_tokenizer(small_gguf());
  EXPECT_EQ(tokenizer->encode("ab\n"), (Ids{1, 6, 5, 8}));
  EXPECT_EQ(tokenizer->encode("</s>b"), (Ids{1, 2, 3, 5}));
  EXPECT_EQ(tokenizer->encode("q", false), (Ids{3, 0}));
  EXPECT_EQ(tokenizer->decode(Ids{1, 6, 5, 8}), "ab\n");
  EXPECT_EQ(tokenizer->eos(), (Ids{2}));
}

// As llama.cpp has it, and the tokenizer.json of StarCoder, whose vocabulary lacks some bytes.
TEST(GgufVocabularyTest, BytesWithoutATokenVanish) {
  GgufVocabulary v = small_gguf();
  v.model = "gpt2";
  v.pre = "gpt-2";
  v.merges = {"a b"};
  EXPECT_EQ(make_tokenizer(v)->encode("aéb", false), (Ids{7}));
}

TEST(GgufVocabularyTest, LiesAreRefused) {
  auto changed = [](auto change) {
    GgufVocabulary v = small_gguf();
    change(v);
    return v;
  };
  EXPECT_THROW(make_tokenizer(changed([](auto& v) { v.tokens.clear(); })), InputError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) { v.scores.pop_back(); })), InputError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) { v.token_types.push_back(1); })), InputError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) { v.tokens[4] = "b"; })), InputError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) { v.tokens[4] = "\xFF"; })), InputError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) { v.scores[4] = NAN; })), InputError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) { v.bos_id = 9; })), InputError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) { v.eos_id = -1; })), InputError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) { v.model = "magic"; })), UnsupportedError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) { v.model = "gpt2"; })), InputError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) {
                 v.model = "gpt2";
                 v.merges = {"a b"};
                 v.pre = "magic";
               })),
               UnsupportedError);
  EXPECT_THROW(make_tokenizer(changed([](auto& v) {
                 v.model = "gpt2";
                 v.merges = {"a z"};
                 v.pre = "gpt-2";
               })),
               InputError);
}

// A model file with bytes changed or cut off loads or is refused; it never brings the program down.
TEST_F(TokenizerFolder, BrokenSentencePieceModels) {
  SKIP_WITHOUT_SHARED("models/llm/babyllama105/tokenizer.model");
  const std::string whole = read_text(shared_path("models/llm/babyllama105/tokenizer.model"));
  auto tried = [&](const std::string& bytes) {
    try {
      auto tokenizer = load_tokenizer(put("tokenizer.model", bytes));
      auto ids = tokenizer->encode("Once upon a time,\xE2\x96\x81 there was \xF0\x9F\xA6\x99 <s>");
      tokenizer->decode(ids);
    } catch (const Error&) {
    }
  };
  for (size_t length = 0; length < whole.size(); length += 3) tried(whole.substr(0, length));
  std::mt19937 random(7);
  for (int i = 0; i < 600; ++i) {
    std::string bytes = whole;
    for (int changes = 1 + static_cast<int>(random() % 4); changes > 0; --changes)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    tried(bytes);
  }
}

TEST(StreamDecoderTest, PartsMakeTheWhole) {
  SKIP_WITHOUT_SHARED("tokenizers");
  const std::string text = " Hé 🦙🦙 \n\n日本語 \x01 don't   x ▁ <s> é";
  for (const char* file : {"tokenizers/smollm2_tokenizer.json", "models/llm/stories260K",
                           "tokenizers/llama2_tokenizer.model", "models/llm/babyllama105/tokenizer.model"}) {
    auto tokenizer = load_tokenizer(shared_path(file));
    Ids ids = tokenizer->encode(text);
    std::mt19937 random(3);
    for (int i = 0; i < 50; ++i)
      ids.push_back(static_cast<TokenId>(random() % static_cast<unsigned>(tokenizer->vocab_size())));
    StreamDecoder stream(*tokenizer);
    std::string parts;
    for (TokenId id : ids) parts += stream.push(id);
    parts += stream.finish();
    EXPECT_EQ(parts, tokenizer->decode(ids)) << file;
    if (std::string_view(file).find("babyllama") == std::string_view::npos) {
      EXPECT_EQ(tokenizer->decode(tokenizer->encode("a 🦙 b")), "a 🦙 b") << file;
    }
  }
}

}  // namespace
}  // namespace halftone
