#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace halftone {

/// Cuts one word of a text into tokens. Immutable, so threads may share it.
class SubwordModel {
 public:
  virtual ~SubwordModel() = default;

  /// Appends the ids of `word` (valid UTF-8, not empty).
  virtual void encode(std::string_view word, std::vector<TokenId>& ids) const = 0;

  /// Where the first part of text[from, ...) ends that may be encoded by itself, as no token reaches over its
  /// end.
  virtual size_t part_end(std::string_view text, size_t from) const { return text.size(); }
};

}  // namespace halftone
