#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace halftone {

/// A text cut into words: [begin, end) byte ranges, in order, none empty. Bytes between ranges are dropped.
struct Words {
  struct Range {
    size_t begin, end;
  };
  std::string text;
  std::vector<Range> ranges;
  bool begins_input;  // ranges[0] begins the user's text: no token stands before it

  std::string_view operator[](size_t i) const {
    return std::string_view(text).substr(ranges[i].begin, ranges[i].end - ranges[i].begin);
  }
};

/// Cuts words into smaller ones, and may rewrite them.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Words& words) const = 0;
};

/// The pre-tokenizer that a tokenizer.json describes; null for a null. Throws InputError, UnsupportedError.
std::unique_ptr<PreTokenizer> parse_pre_tokenizer(const Json& json, const std::string& source);

}  // namespace halftone
