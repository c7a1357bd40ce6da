#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pipeline.h"

namespace halftone {

/// A SentencePiece tokenizer.model, run by libsentencepiece. `added` are tokens that files beside it list.
/// BOS stands before every text unless the config says otherwise or the model has none; EOS behind it only if
/// the config says so. Throws InputError, UnsupportedError.
Pipeline parse_sentencepiece(std::string_view bytes, const std::vector<AddedToken>& added,
                             const TokenizerConfig& config, const std::string& source);

}  // namespace halftone
