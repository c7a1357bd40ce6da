#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/charsmap.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/trie.h"

namespace halftone {

/// What SentencePiece does to a text before its model sees it (google/sentencepiece, normalizer.cc).
struct SentencePieceNormalization {
  std::optional<Charsmap> charsmap;
  std::vector<std::string> user_defined;  // pieces that the charsmap leaves alone
  bool dummy_prefix = true;               // ▁ before the text
  bool prefix_is_suffix = false;          // or behind it
  bool collapse_spaces = true;            // none at the ends, one in between
  bool escape_spaces = true;              // ▁ for each
};
std::unique_ptr<Normalizer> make_normalizer(SentencePieceNormalization options);

}  // namespace halftone
