#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/normalizer.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"

namespace halftone {

/// A token that is found in the text as it is, before any model sees it.
struct AddedToken {
  std::string text;
  TokenId id;
  bool special = false;
  bool single_word = false;  // only between characters that are no word characters
  bool left_strip = false;   // takes the white space before it along
  bool right_strip = false;  // and behind it
  bool normalized = false;   // is looked for in the normalized text
};

/// The added tokens of a tokenizer, and where they stand in a text.
class AddedTokens {
 public:
  /// Throws InputError for a token that is empty or longer than 1024 bytes, and for two with one id or one
  /// text. `normalizer` may be null.
  AddedTokens(std::vector<AddedToken> tokens, const Normalizer* normalizer, const std::string& source);
  AddedTokens() : AddedTokens({}, nullptr, "") {}

  /// A stretch of the text: a token, or text between tokens.
  struct Part {
    size_t begin, end;
    std::optional<TokenId> id;
  };

  /// The parts of a text as it came, and of a normalized one: at each place the longest token, left to right.
  /// Tokens that are special are passed over without `parse_special`.
  std::vector<Part> split_raw(std::string_view text, bool parse_special) const {
    return split(text, raw_, parse_special);
  }
  std::vector<Part> split_normalized(std::string_view text, bool parse_special) const {
    return split(text, normalized_, parse_special);
  }

  const AddedToken* by_id(TokenId id) const;
  std::optional<TokenId> find(std::string_view text) const;
  TokenId largest_id() const { return largest_id_; }

 private:
  std::vector<Part> split(std::string_view text, const Trie& trie, bool parse_special) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<TokenId, size_t> by_id_;
  StringMap<TokenId> by_text_;
  std::vector<std::string> normalized_texts_;
  Trie raw_, normalized_;  // values are indices of tokens_
  TokenId largest_id_ = -1;
};

}  // namespace halftone
