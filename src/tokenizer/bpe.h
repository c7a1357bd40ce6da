#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/piece_boundaries.h"
#include "tokenizer/subword_model.h"
#include "tokenizer/vocabulary.h"

namespace halftone {

/// left right -> result; the lowest rank goes first.
struct Merge {
  TokenId left, right, result;
  int32_t rank;
};

/// Every way to put a piece together from two others, with rank(id) of the result: what byte pair encoding by
/// ranks (tiktoken) or by scores (SentencePiece) merges. Pieces for which `rank` is negative are left out.
std::vector<Merge> merges_of_all_splits(const Vocabulary& vocabulary, const std::vector<int32_t>& rank);

/// A hash table of merges by their pair.
class MergeTable {
 public:
  /// Of two merges of one pair the later counts.
  explicit MergeTable(const std::vector<Merge>& merges);
  const Merge* find(TokenId left, TokenId right) const;

 private:
  std::vector<Merge> slots_;  // left < 0: free
  size_t mask_;
};

struct BpeOptions {
  std::optional<TokenId> unknown;
  bool fuse_unknown = false;      // neighbouring unknown characters make one token
  bool byte_fallback = false;     // a character that is no piece is spelled in byte pieces
  bool ignore_merges = false;     // a word that is a piece is that piece, merges or not
  std::string continuing_prefix;  // before every character but the first
  std::string end_suffix;         // behind the last character
};

/// Byte pair encoding (Sennrich et al., 2016): a word begins as its characters, and of all neighbours that
/// may merge the pair of the lowest rank, then the leftmost, does. O(n log n).
class Bpe final : public SubwordModel {
 public:
  Bpe(std::shared_ptr<const Vocabulary> vocabulary, const std::vector<Merge>& merges, BpeOptions options);

  void encode(std::string_view word, std::vector<TokenId>& ids) const override;
  size_t part_end(std::string_view text, size_t from) const override;

 private:
  void spell(std::string_view word, std::vector<TokenId>& symbols) const;
  void merge(std::vector<TokenId>& symbols, std::vector<TokenId>& ids) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::vector<TokenId> byte_ids_;              // -1: no such piece
  std::optional<PieceBoundaries> boundaries_;  // none where pieces are spelled otherwise than the text
};

}  // namespace halftone
