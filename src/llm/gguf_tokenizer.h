#pragma once

#include "formats/gguf.h"
#include "tokenizer/tokenizer.h"

namespace halftone {

/// The vocabulary that a GGUF file carries in its keys tokenizer.ggml.*. Throws InputError for a missing or
/// wrong one.
GgufVocabulary gguf_vocabulary(const GgufMetadata& metadata);

}  // namespace halftone
