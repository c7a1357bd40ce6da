#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pipeline.h"

namespace halftone {

/// Ranks in tiktoken's form, one `base64 rank` a line. They say nothing of words and special tokens: whose
/// they are is told by the config's tokenizer_class or the number of ranks (Llama 3, Qwen), the special
/// tokens by `added` or, where that is empty, by what those families use. Throws InputError; UnsupportedError
/// when it cannot be told.
Pipeline parse_tiktoken(std::string_view text, std::vector<AddedToken> added, const TokenizerConfig& config,
                        const std::string& source);

}  // namespace halftone
