#include "tokenizer/sentencepiece_normalizer.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

std::string normalized(const std::string& text, SentencePieceNormalization options) {
  return make_normalizer(std::move(options))->apply(text);
}

// Expected texts are those of SentencePiece.

TEST(SentencePieceNormalizer, SpacesCollapse) {
  EXPECT_EQ(normalized("  a   b ", {}), "▁a▁b");
  EXPECT_EQ(normalized("   ", {}), "");
  EXPECT_EQ(normalized("", {}), "");
  EXPECT_EQ(normalized("  a ", {.collapse_spaces = false}), "▁▁▁a▁");
  EXPECT_EQ(normalized("a ", {.prefix_is_suffix = true}), "a▁");
}

TEST(SentencePieceNormalizer, UserDefinedPiecesKeepTheirSpaces) {
  const SentencePieceNormalization two_spaces{.user_defined = {"  ", "\n"}};
  EXPECT_EQ(normalized("a  b", two_spaces), "▁a▁▁b");
  EXPECT_EQ(normalized("a   b", two_spaces), "▁a▁▁b");
  EXPECT_EQ(normalized("a  \nb  ", two_spaces), "▁a▁▁\nb");
  EXPECT_EQ(normalized("  a", two_spaces), "▁a");
}

}  // namespace
}  // namespace halftone
