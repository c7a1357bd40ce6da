#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pipeline.h"

namespace halftone {

/// A SentencePiece tokenizer.model, run by libsentencepiece. `added` are tokens that files beside it list.
/// BOS stands before every text where the model has one. Throws InputError, UnsupportedError.
Pipeline parse_sentencepiece(std::string_view bytes, const std::vector<AddedToken>& added,
                             const std::string& source);

}  // namespace halftone
