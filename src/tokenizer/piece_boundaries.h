#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace halftone {

/// Finds places where a text may be cut without a change to its tokens, because no piece holds the two
/// characters there side by side: byte pair encoding never merges across. Makes words, which repeat, of texts
/// that have none.
class PieceBoundaries {
 public:
  explicit PieceBoundaries(std::shared_ptr<const Vocabulary> vocabulary);

  /// The first such place behind `from`, or the end of `text`.
  size_t next(std::string_view text, size_t from) const;

 private:
  static size_t slot(char32_t first, char32_t second);

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<bool>
      side_by_side_;  // by a hash of the two characters, so some pairs are taken for others: fewer cuts
};

}  // namespace halftone
