#include <chrono>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace halftone {
namespace {

/// A small byte-pair tokenizer with a special, a plain and a word-bound added token.
Json small_bpe() {
  return Json::parse(R"({
    "added_tokens": [
      {"id": 0, "content": "<unk>", "special": true, "normalized": false},
      {"id": 1, "content": "<s>", "special": true, "normalized": false},
      {"id": 12, "content": "<end>", "special": true, "normalized": false, "lstrip": true, "rstrip": true},
      {"id": 13, "content": "ab", "special": false, "normalized": false, "single_word": true}],
    "normalizer": null, "pre_tokenizer": null,
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
    "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
    "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
      "vocab": {"<unk>": 0, "<s>": 1, "a": 2, "b": 3, "c": 4, "bc": 5, "abc": 6, "cb": 7,
                "<0xC3>": 8, "<0xA9>": 9, " ": 10, "aa": 11},
      "merges": ["b c", ["a", "bc"], "c b", "a a"]}})");
}

std::unique_ptr<Tokenizer> parse(const Json& json) {
  return parse_tokenizer_json(json.dump(), "test.json");
}

using Ids = std::vector<TokenId>;

TEST(TokenizerJson, MergesByRank) {
  auto tokenizer = parse(small_bpe());
  EXPECT_EQ(tokenizer->encode("abc", false), (Ids{6}));
  EXPECT_EQ(tokenizer->encode("cbc", false), (Ids{4, 5}));  // "b c" ranks before "c b"
  EXPECT_EQ(tokenizer->encode("aaa", false), (Ids{11, 2}));
  EXPECT_EQ(tokenizer->encode("abc"), (Ids{1, 6}));
  EXPECT_EQ(tokenizer->encode("", true), (Ids{1}));
  EXPECT_EQ(tokenizer->vocab_size(), 14);
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->piece(6), "abc");
  EXPECT_EQ(tokenizer->piece(99), "");
  EXPECT_EQ(tokenizer->find("<end>"), 12);
}

TEST(TokenizerJson, UnknownCharactersFallBackToBytesOrFuse) {
  auto tokenizer = parse(small_bpe());
  EXPECT_EQ(tokenizer->encode("é", false), (Ids{8, 9}));
  EXPECT_EQ(tokenizer->encode("xyza", false), (Ids{0, 2}));
  EXPECT_EQ(tokenizer->decode(Ids{8, 9, 2}), "éa");
  EXPECT_EQ(tokenizer->decode(Ids{8, 2}),
            "\xEF\xBF\xBD"
            "a");
}

TEST(TokenizerJson, CharactersWithoutAPieceVanishWhereNothingIsUnknown) {
  Json json = small_bpe();
  json["model"]["unk_token"] = nullptr;
  json["model"]["byte_fallback"] = false;
  const std::string filler(40, 'x');  // long words are cut where no token can reach over
  EXPECT_EQ(parse(json)->encode(filler + "b" + filler + "c", false), (Ids{5}));
}

TEST(TokenizerJson, WhiteSpaceThatATokenTookMayHoldAnother) {
  Json json = small_bpe();
  json["added_tokens"].push_back({{"id", 14}, {"content", "\n"}, {"normalized", false}});
  const auto tokenizer = parse(json);
  EXPECT_EQ(tokenizer->encode("<end> \n a", false), (Ids{12, 14, 10, 2}));
  json["added_tokens"].back()["lstrip"] = json["added_tokens"].back()["rstrip"] = true;
  EXPECT_EQ(parse(json)->encode("c\n\n\na", false), (Ids{4, 14, 2}));
  json["added_tokens"].back()["lstrip"] = false;
  EXPECT_EQ(parse(json)->encode("c\n\n\na", false), (Ids{4, 14, 14, 14, 2}));
  EXPECT_EQ(parse(json)->encode(std::string(1'000'000, '\n'), false).size(), 1'000'000u);  // and soon
}

TEST(TokenizerJson, AddedTokens) {
  auto tokenizer = parse(small_bpe());
  EXPECT_EQ(tokenizer->encode("a <end>  b", false), (Ids{2, 12, 3}));
  EXPECT_EQ(tokenizer->encode("ab", false), (Ids{13}));
  EXPECT_EQ(tokenizer->encode("cab", false), (Ids{4, 2, 3}));
  EXPECT_EQ(tokenizer->encode("<s>a", false), (Ids{1, 2}));
  EXPECT_NE(tokenizer->encode("<s>a", false, false), (Ids{1, 2}));
  EXPECT_EQ(tokenizer->decode(Ids{1, 2}), "a");
  EXPECT_EQ(tokenizer->decode(Ids{1, 2}, false), "<s>a");
}

TEST(TokenizerJson, BytesThatAreNotUtf8CountAsReplacementCharacters) {
  auto tokenizer = parse(small_bpe());
  EXPECT_EQ(tokenizer->encode("a\xFF\xE2\x82"
                              "b",
                              false),
            tokenizer->encode("a\xEF\xBF\xBD\xEF\xBF\xBD"
                              "b",
                              false));
}

TEST(TokenizerJson, AMegabyteWithoutWordsTakesNoQuadraticTime) {
  auto tokenizer = parse(small_bpe());
  std::string text(1 << 20, 'a');
  EXPECT_EQ(tokenizer->encode(text, false).size(), text.size() / 2);

  Json json = small_bpe();
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  json["normalizer"] = {{"type", "NFC"}};
  EXPECT_EQ(parse(json)->encode(text, false).size(), text.size() / 2);
  std::string marks = "a";
  for (int i = 0; i < 200000; ++i)
    marks += "\xCC\x81\xCC\xA3";  // two combining marks that must change places
  parse(json)->encode(marks, false);
}

/// Every file that is wrong gives an InputError or UnsupportedError whose text holds `word`.
void expect_refused(const Json& json, const std::string& word) {
  try {
    parse(json);
    FAIL() << "taken: " << json.dump();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("test.json"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
  }
}

TEST(TokenizerJson, RefusesFilesThatLie) {
  auto changed = [](const char* pointer, Json value) {
    Json json = small_bpe();
    json[Json::json_pointer(pointer)] = std::move(value);
    return json;
  };
  expect_refused(changed("/model/vocab/a", -1), "-1");
  expect_refused(changed("/model/vocab/a", 1ull << 40), "not in [0");
  expect_refused(changed("/model/vocab/a", 18446744073709551615ull), "not in [0");
  expect_refused(changed("/model/vocab/a", 2.5), "2.5");
  expect_refused(changed("/model/vocab/a", 3), "id 3");
  expect_refused(changed("/model/vocab", Json::array()), "vocab");
  expect_refused(changed("/model/merges/0", "b"), "merge 0");
  expect_refused(changed("/model/merges/0", "b z"), "\"z\"");
  expect_refused(changed("/model/merges/0", "b a"), "\"ba\"");
  expect_refused(changed("/model/merges", 7), "merges");
  expect_refused(changed("/model/type", "Magic"), "Magic");
  expect_refused(changed("/model/unk_token", "nope"), "nope");
  expect_refused(changed("/added_tokens/2/id", -5), "-5");
  expect_refused(changed("/added_tokens/2/id", 4), "\"c\"");
  expect_refused(changed("/added_tokens/2/content", ""), "0 bytes");
  expect_refused(changed("/added_tokens/2/content", "ab"), "twice");
  expect_refused(changed("/post_processor/special_tokens/<s>/ids", {77}), "77");
  expect_refused(changed("/post_processor/special_tokens", Json::object()), "<s>");
  expect_refused(changed("/normalizer", {{"type", "Magic"}}), "Magic");
  expect_refused(changed("/normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", "!"}}), "base64");
  expect_refused(changed("/normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", "/////w=="}}),
                 "charsmap");
  expect_refused(
      changed("/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}}),
      "regular expression");
  expect_refused(
      changed("/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", "a"}}}, {"behavior", "Odd"}}),
      "Odd");
  expect_refused(changed("/decoder", {{"type", "CTC"}}), "CTC");
  EXPECT_THROW(parse_tokenizer_json("{", "test.json"), InputError);
  EXPECT_THROW(parse_tokenizer_json("[]", "test.json"), InputError);
}

TEST(TokenizerJson, AnExpressionThatRunsAwayIsAnError) {
  Json json = small_bpe();
  json["pre_tokenizer"] = {
      {"type", "Split"}, {"pattern", {{"Regex", "(a|a)*(a|aa)*(a|aaa)*c$"}}}, {"behavior", "Isolated"}};
  EXPECT_THROW(parse(json)->encode(std::string(60, 'a') + "bcb", false), InputError);
}

}  // namespace
}  // namespace halftone
