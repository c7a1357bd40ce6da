#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace halftone {

/// The special tokens that stand around a text.
struct PostProcessor {
  std::vector<TokenId> before, after;
};

/// What a tokenizer.json puts around a single text. Throws InputError, UnsupportedError.
PostProcessor parse_post_processor(const Json& json, const std::string& source);

}  // namespace halftone
