#pragma once

#include <vector>

#include "tokenizer/added_tokens.h"

namespace halftone {

/// The added tokens that tokenizer_config.json (`added_tokens_decoder`), else added_tokens.json, of a folder
/// list: for tokenizers whose own file has none. Throws InputError.
std::vector<AddedToken> read_added_tokens(const fs::path& folder);

}  // namespace halftone
