#include "tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include "tokenizer/normalizer.h"
#include "tokenizer/regex.h"

namespace halftone {
namespace {

using Strings = std::vector<std::string>;

Strings cut(const Json& json, const std::string& text) {
  Words words{text, {{0, text.size()}}, true};
  parse_pre_tokenizer(json, "test")->apply(words);
  Strings result;
  for (size_t i = 0; i < words.ranges.size(); ++i) result.emplace_back(words[i]);
  return result;
}

std::string normal(const Json& json, const std::string& text) {
  return parse_normalizer(json, "test")->apply(text);
}

// The examples of the `tokenizers` documentation for split behaviours.
TEST(PreTokenizer, SplitBehaviors) {
  auto split = [](const char* behavior, bool invert = false) {
    return cut(
        {{"type", "Split"}, {"pattern", {{"String", "-"}}}, {"behavior", behavior}, {"invert", invert}},
        "the-final--countdown");
  };
  EXPECT_EQ(split("Removed"), (Strings{"the", "final", "countdown"}));
  EXPECT_EQ(split("Isolated"), (Strings{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(split("Contiguous"), (Strings{"the", "-", "final", "--", "countdown"}));
  EXPECT_EQ(split("MergedWithPrevious"), (Strings{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(split("MergedWithNext"), (Strings{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(split("Removed", true), (Strings{"-", "-", "-"}));
}

TEST(PreTokenizer, Kinds) {
  EXPECT_EQ(cut({{"type", "Digits"}, {"individual_digits", true}}, "a12b"), (Strings{"a", "1", "2", "b"}));
  EXPECT_EQ(cut({{"type", "Digits"}}, "a12b"), (Strings{"a", "12", "b"}));
  EXPECT_EQ(cut({{"type", "Whitespace"}}, "Hé_llo, y'all!?  x"),
            (Strings{"Hé_llo", ",", "y", "'", "all", "!?", "x"}));
  EXPECT_EQ(cut({{"type", "WhitespaceSplit"}}, " a,\tb\n"), (Strings{"a,", "b"}));
  EXPECT_EQ(cut({{"type", "Punctuation"}}, "a,b!?"), (Strings{"a", ",", "b", "!", "?"}));
  EXPECT_EQ(cut({{"type", "BertPreTokenizer"}}, "don't  go"), (Strings{"don", "'", "t", "go"}));
  EXPECT_EQ(cut({{"type", "Metaspace"}, {"prepend_scheme", "always"}}, "a  b"), (Strings{"▁a", "▁", "▁b"}));
  EXPECT_EQ(cut({{"type", "Metaspace"}, {"prepend_scheme", "never"}, {"split", false}}, "a b"),
            (Strings{"a▁b"}));
  const Json spaced_first = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "WhitespaceSplit"}}, {{"type", "Metaspace"}, {"prepend_scheme", "first"}}}}};
  EXPECT_EQ(cut(spaced_first, "a b"), (Strings{"▁a", "b"}));
  EXPECT_EQ(cut(spaced_first, " a b"), (Strings{"a", "b"}));  // the text began with what is gone
  EXPECT_EQ(cut({{"type", "ByteLevel"}, {"add_prefix_space", true}}, "it's é"),
            (Strings{"Ġit", "'s", "ĠÃ©"}));
  EXPECT_EQ(cut({{"type", "CharDelimiterSplit"}, {"delimiter", "|"}}, "a|b||c"), (Strings{"a", "b", "c"}));
}

TEST(Normalizer, Kinds) {
  EXPECT_EQ(normal({{"type", "NFC"}}, "e\xCC\x81x"), "éx");
  EXPECT_EQ(normal({{"type", "NFD"}}, "é"), "e\xCC\x81");
  EXPECT_EQ(normal({{"type", "NFKC"}}, "ﬁ①"), "fi1");
  EXPECT_EQ(normal({{"type", "NFC"}}, "a\xCC\x81\xCC\xA3"), "ạ\xCC\x81");  // marks in canonical order
  EXPECT_EQ(normal({{"type", "Lowercase"}}, "ÀB\xC4\xB0"), "àbi\xCC\x87");
  EXPECT_EQ(normal({{"type", "StripAccents"}}, "e\xCC\x81"), "e");
  EXPECT_EQ(normal({{"type", "Strip"}}, " \ta\xC2\xA0"), "a");
  EXPECT_EQ(normal({{"type", "Prepend"}, {"prepend", "▁"}}, ""), "");
  EXPECT_EQ(normal({{"type", "Replace"}, {"pattern", {{"Regex", "\\s+"}}}, {"content", " "}}, "a \n b"),
            "a b");
  EXPECT_EQ(normal({{"type", "BertNormalizer"}}, "Ｈé\x07 中\tx"), "ｈe  中  x");
}

TEST(Regex, MeansWhatTheFilesMean) {
  auto matches = [](const char* pattern, const std::string& text) {
    Strings found;
    Regex(pattern, "test").for_each_match(text, [&](size_t b, size_t e) {
      found.push_back(text.substr(b, e - b));
    });
    return found;
  };
  EXPECT_EQ(matches(R"(\s)", "\xE1\xA0\x8E\xC2\x85"),
            (Strings{"\xC2\x85"}));  // U+180E is no white space, U+0085 is
  EXPECT_EQ(matches(R"(\w+)", "a\xCC\x81‿b c"), (Strings{"a\xCC\x81‿b", "c"}));
  EXPECT_EQ(matches(R"(\w+)", "a\u200db²½"), (Strings{"a", "b²½"}));  // \u200d joins no words
  EXPECT_EQ(matches(R"([\w]+)", "b²½"), (Strings{"b"}));
  EXPECT_EQ(matches(R"(\b.)", "a\u0301b\u200dc"), (Strings{"a", "\u200d", "c"}));
  EXPECT_EQ(matches(R"(\B.)", "a\u0301b-"), (Strings{"\u0301", "b"}));
  EXPECT_EQ(matches(R"([^\s\S]|x)", "x y"), (Strings{"x"}));
  EXPECT_EQ(matches(R"(b$)", "ab\nb"), (Strings{"b", "b"}));
  EXPECT_EQ(matches("x*", "axb"), (Strings{"", "x", ""}));
  EXPECT_EQ(Regex(Regex::escape("a.b c\n*"), "test").replace_all("-a.b c\n*-", "+"), "-+-");
}

}  // namespace
}  // namespace halftone
