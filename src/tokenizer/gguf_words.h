#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace halftone {

/// What a name in a GGUF's key `tokenizer.ggml.pre` stands for.
struct GgufWords {
  std::vector<std::string> expressions;  // cut at each in turn
  bool ignore_merges = false;
  bool add_bos = false;  // unless tokenizer.ggml.add_bos_token says otherwise
  bool add_separator = false;
};

/// Throws UnsupportedError for a name that is not known.
GgufWords gguf_words(std::string_view pre, const std::string& source);

/// A name of each, in the table's order.
std::vector<std::string> gguf_word_names();

}  // namespace halftone
