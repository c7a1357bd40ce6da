#pragma once

#include <string>
#include <string_view>

#include "tokenizer/pipeline.h"

namespace halftone {

/// Ranks in tiktoken's form, one `base64 rank` a line. They say nothing of words and special tokens: those
/// are told by the files in `folder` (tokenizer_config.json's added_tokens_decoder, config.json's model_type)
/// or, for Llama 3 and Qwen, by the ranks themselves. Throws InputError; UnsupportedError when whose ranks
/// these are cannot be told.
Pipeline parse_tiktoken(std::string_view text, const fs::path& folder, const std::string& source);

}  // namespace halftone
