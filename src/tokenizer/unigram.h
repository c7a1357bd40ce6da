#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "tokenizer/subword_model.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"

namespace halftone {

/// Unigram language model (Kudo, 2018): of all ways to cut a word into pieces the one of the largest sum of
/// scores (log probabilities), found by Viterbi in O(length * longest piece). A character that is no piece
/// costs 10 below the lowest score; neighbouring ones make one unknown token, or byte pieces.
class Unigram final : public SubwordModel {
 public:
  /// scores[id]; `usable[id]` says whether the text may hold the piece. Throws InputError when a score is not
  /// finite.
  Unigram(std::shared_ptr<const Vocabulary> vocabulary, std::vector<double> scores,
          const std::vector<bool>& usable, std::optional<TokenId> unknown, bool byte_fallback,
          std::string source);
  void encode(std::string_view word, std::vector<TokenId>& ids) const override;

 private:
  void add_unknown(std::string_view text, std::vector<TokenId>& ids) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<double> scores_;
  double unknown_score_;
  std::optional<TokenId> unknown_;
  bool byte_fallback_;
  std::string source_;
  Trie trie_;
};

}  // namespace halftone
