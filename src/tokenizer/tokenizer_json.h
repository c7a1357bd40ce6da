#pragma once

#include <string>
#include <string_view>

#include "tokenizer/pipeline.h"

namespace halftone {

/// The parts that a tokenizer.json describes. BOS and EOS are what its post-processor puts around a text; the
/// files beside it may say more. Throws InputError, UnsupportedError.
Pipeline parse_tokenizer_json_pipeline(std::string_view text, const std::string& source);

}  // namespace halftone
