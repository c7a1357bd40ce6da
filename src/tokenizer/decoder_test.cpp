#include "tokenizer/decoder.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

/// Decodes piece by piece; every part must be whole UTF-8 by itself.
std::string decode(const Json& json, const std::vector<std::string>& pieces) {
  DecoderChain chain = parse_decoder(json, "test").fresh();
  std::string text;
  for (const std::string& piece : pieces) text += chain.push(piece);
  return text + chain.finish();
}

TEST(Decoder, Kinds) {
  EXPECT_EQ(decode(nullptr, {"a", "b"}), "a b");
  EXPECT_EQ(decode({{"type", "ByteLevel"}}, {"Ã", "©", "Ġx", "<｜end｜>"}), "é x<｜end｜>");
  EXPECT_EQ(decode({{"type", "Metaspace"}}, {"▁a", "▁b"}), "a b");
  EXPECT_EQ(decode({{"type", "Metaspace"}, {"prepend_scheme", "never"}}, {"▁a", "▁b"}), " a b");
  EXPECT_EQ(decode({{"type", "WordPiece"}}, {"it", "##s", "a", "?"}), "its a?");
  EXPECT_EQ(decode({{"type", "BPEDecoder"}}, {"a</w>", "b", "c</w>"}), "a bc");
  Json llama = {{"type", "Sequence"},
                {"decoders",
                 {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
                  {{"type", "ByteFallback"}},
                  {{"type", "Fuse"}},
                  {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  EXPECT_EQ(decode(llama, {"▁▁a", "<0xE2>", "<0x82>", "<0xAC>", "▁b"}), " a€ b");
  EXPECT_EQ(decode(llama, {"▁", "▁a"}), " a");
  EXPECT_EQ(decode(llama, {"<0xE2>", "x", "<0x80>"}), "\xEF\xBF\xBDx\xEF\xBF\xBD");
}

TEST(Decoder, HoldsBackWhatIsNotWhole) {
  DecoderChain chain = parse_decoder({{"type", "ByteLevel"}}, "test");
  EXPECT_EQ(chain.push("aðŁ"), "a");
  EXPECT_EQ(chain.push("¦"), "");
  EXPECT_EQ(chain.push("Ļ!"), "🦙!");
  EXPECT_EQ(chain.push("ðŁ"), "");
  EXPECT_EQ(chain.finish(), "\xEF\xBF\xBD");
}

TEST(Decoder, StripsTheEndOnlyWhenItIsTheEnd) {
  Json json = {
      {"type", "Sequence"},
      {"decoders", {{{"type", "Fuse"}}, {{"type", "Strip"}, {"content", "."}, {"start", 0}, {"stop", 2}}}}};
  EXPECT_EQ(decode(json, {"a.", "b..", "."}), "a.b.");
}

}  // namespace
}  // namespace halftone
