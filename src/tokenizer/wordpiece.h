#pragma once

#include <memory>
#include <string>

#include "tokenizer/subword_model.h"
#include "tokenizer/vocabulary.h"

namespace halftone {

/// WordPiece: the longest piece that begins the word, then the longest that continues it, and so on; a word
/// for which that fails, or of more characters than `max_chars`, is one unknown token.
class WordPiece final : public SubwordModel {
 public:
  WordPiece(std::shared_ptr<const Vocabulary> vocabulary, TokenId unknown, std::string continuing_prefix,
            size_t max_chars);
  void encode(std::string_view word, std::vector<TokenId>& ids) const override;

 private:
  std::shared_ptr<const Vocabulary> vocabulary_;
  TokenId unknown_;
  std::string prefix_;
  size_t max_chars_;
};

}  // namespace halftone
