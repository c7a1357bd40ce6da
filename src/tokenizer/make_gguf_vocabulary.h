#pragma once

#include "tokenizer/tokenizer.h"

namespace halftone {

/// The vocabulary of a model folder (tokenizer.json, tokenizer.model) as a GGUF holds it, with `rows` tokens:
/// ids that the tokenizer leaves out, up to the rows of the embedding, become unused ones.
///
/// A GGUF names a way to cut words in place of telling it, and tells nothing of the rest: so a tokenizer is
/// made of the result and must give the folder's own ids for texts of many scripts. Its `name` is the
/// folder's, but with or without "phi-3" as that makes readers strip the white space behind special tokens or
/// not. Throws UnsupportedError when none of the ways does, or for a kind of tokenizer that GGUFs of LLMs do
/// not have (unigram, wordpiece, tiktoken's ranks).
GgufVocabulary make_gguf_vocabulary(const fs::path& folder, int64_t rows);

}  // namespace halftone
