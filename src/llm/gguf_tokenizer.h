#pragma once

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "tokenizer/tokenizer.h"

namespace halftone {

/// The vocabulary that a GGUF file carries in its keys tokenizer.ggml.*. Throws InputError for a missing or
/// wrong one.
GgufVocabulary gguf_vocabulary(const GgufMetadata& metadata);

/// The reverse. `end_tokens` are those that end an answer: the first is eos, the next two eot and eom.
void add_vocabulary(GgufFields& fields, const GgufVocabulary& vocabulary,
                    std::span<const int64_t> end_tokens);

}  // namespace halftone
