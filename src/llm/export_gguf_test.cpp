#include "llm/export_gguf.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/test_folder.h"
#include "golden_family.h"
#include "llm/check_export.h"
#include "llm/load_llm.h"
#include "llm_runner.h"

namespace halftone {
namespace {

/// A sentencepiece-like tokenizer.json: <unk>, <s>, </s>, a few merges, then printable ASCII.
std::string small_tokenizer() {
  Json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}, {"▁", 3}, {"th", 4}, {"▁th", 5}, {"▁the", 6}};
  for (char c = '!'; vocab.size() < 94; ++c) vocab[std::string(1, c)] = vocab.size();
  const Json space = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
  const Json back = {{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}};
  Json root;
  root["normalizer"] = {{"type", "Sequence"},
                        {"normalizers", {{{"type", "Prepend"}, {"prepend", "▁"}}, space}}};
  root["decoder"] = {
      {"type", "Sequence"},
      {"decoders",
       {back, {{"type", "Fuse"}}, {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  root["model"] = {{"type", "BPE"},
                   {"unk_token", "<unk>"},
                   {"fuse_unk", true},
                   {"vocab", vocab},
                   {"merges", {"t h", "▁ th", "▁th e"}}};
  root["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}};
  root["added_tokens"] = Json::array();
  for (int id = 0; id < 3; ++id)
    root["added_tokens"].push_back({{"id", id},
                                    {"content", id == 0   ? "<unk>"
                                                : id == 1 ? "<s>"
                                                          : "</s>"},
                                    {"special", true}});
  return root.dump();
}

/// A folder with all but the weights of a golden family.
class Source {
 public:
  explicit Source(const std::string& family, const Json& changes = Json::object())
      : golden(load_golden_family(family)) {
    golden.checkpoint.config.update(changes);
    folder.write("config.json", golden.checkpoint.config.dump());
    folder.write("tokenizer.json", small_tokenizer());
    folder.write(
        "tokenizer_config.json",
        R"({"bos_token": "<s>", "eos_token": "</s>", "chat_template": "{{ messages[0].content }}"})");
  }

  /// The family as a file, read back.
  Graph through_gguf(const std::string& type, GgufExport& plan) const {
    plan = plan_gguf(build_llm(golden.checkpoint, {.context = 0}), golden.checkpoint.config, type);
    write_gguf(plan, folder.path(), companion_files(folder.path()), file());
    return check_export(plan.graph, file());
  }
  fs::path file() const { return folder / "out.gguf"; }

  GoldenFamily golden;
  TestFolder folder;
};

void expect_equal_logits(const Graph& a, const Graph& b, std::span<const int64_t> ids, float tolerance) {
  LlmRunner left(a, nullptr), right(b, nullptr);
  const std::vector<float> x = left.append(ids), y = right.append(ids);
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], tolerance) << "logit " << i;
}

/// A golden family, and what of its configuration is put as a GGUF has it.
struct Family {
  const char* name;
  Json changes = Json::object();
};

/// Readers derive the scale of Gemma's queries and which of its layers have a window.
const Json kGemmaChanges = {{"query_pre_attn_scalar", 24}, {"sliding_window_pattern", 6}};

class GgufFamilies : public testing::TestWithParam<Family> {};

TEST_P(GgufFamilies, ComeBackWithEqualLogits) {
  for (const char* type : {"", "q8_0", "q4_0"}) {
    SCOPED_TRACE(type);
    const Source source(GetParam().name, GetParam().changes);
    GgufExport plan;
    const Graph back = source.through_gguf(type, plan);
    expect_equal_logits(plan.graph, back, source.golden.ids, 2e-5f);
    if (*type || !GetParam().changes.empty()) continue;
    // Unquantized, these are the logits of transformers.
    LlmRunner runner(build_llm(open_checkpoint(source.file()), {.context = source.golden.context}), nullptr);
    const std::vector<float> found = runner.append(source.golden.ids);
    const auto expected = source.golden.logits.span<float>();
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-4) << "logit " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, GgufFamilies,
    testing::Values(Family{"llama"}, Family{"llama_biases_linear"}, Family{"llama_llama3"},
                    Family{"mistral_window"}, Family{"qwen2"}, Family{"qwen3"}, Family{"qwen3_yarn"},
                    Family{"gemma2", {{"query_pre_attn_scalar", 24}}}, Family{"gemma3", kGemmaChanges},
                    Family{
                        "gemma3_rope_parameters",
                        {{"query_pre_attn_scalar", 24},
                         {"layer_types", {"sliding_attention", "sliding_attention", "sliding_attention"}}}},
                    Family{"phi3"}, Family{"phi3_longrope_long"}, Family{"phi3_longrope_short"}),
    [](const testing::TestParamInfo<Family>& family) { return std::string(family.param.name); });

TEST(GgufExport, WhatTheFormatCannotSayIsRefused) {
  GgufExport plan;
  for (const char* family : {"llama_dynamic", "qwen2_window", "gemma2", "gemma3"})
    EXPECT_THROW(Source(family).through_gguf("", plan), UnsupportedError) << family;
  Source source("llama");
  EXPECT_THROW(plan_gguf(build_llm(source.golden.checkpoint), {{"model_type", "opt"}}, ""), UnsupportedError);
  Graph graph = build_llm(source.golden.checkpoint);
  graph.add_constant("model.extra.weight", Constant(golden_tensor("x", {4}, 0, 1)));
  EXPECT_THROW(plan_gguf(graph, source.golden.checkpoint.config, ""), UnsupportedError);
}

TEST(GgufExport, TokensAndTextsGoAlong) {
  const Source source("llama");
  GgufExport plan;
  source.through_gguf("q8_0", plan);
  const LlmModel model = load_llm(source.file());
  const auto tokenizer = load_tokenizer(source.folder.path());
  for (const char* text : {"the thing", "  two the", "Über", "</s>x"})
    EXPECT_EQ(model.tokenizer->encode(text), tokenizer->encode(text)) << text;
  EXPECT_EQ(model.tokenizer->vocab_size(), 96);  // as many as the embedding has rows
  EXPECT_EQ(model.end_tokens, std::vector<TokenId>{2});
  EXPECT_EQ(model.bos_text, "<s>");
  EXPECT_EQ(model.chat_template, "{{ messages[0].content }}");
}

TEST(GgufExport, AFileBecomesAFileAgain) {
  const Source source("llama_llama3");
  GgufExport plan;
  source.through_gguf("q8_0", plan);
  const LlmModel model = load_llm(source.file());
  const std::vector<CompanionFile> companions = companion_files(source.file());
  const fs::path again = source.folder / "again.gguf";
  const GgufExport second = plan_gguf(model.graph, open_checkpoint(source.file()).config, "");
  EXPECT_TRUE(second.remarks.empty());
  write_gguf(second, source.file(), companions, again);
  check_export(plan.graph, again);
  EXPECT_EQ(load_llm(again).chat_template, model.chat_template);
}

}  // namespace
}  // namespace halftone
