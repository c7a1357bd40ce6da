#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/subword_model.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace halftone {

/// What every tokenizer is made of: added tokens are cut out, the rest is normalized, cut into words, and the
/// words into tokens; special tokens are put around. The file formats differ only in how they fill this in.
struct Pipeline {
  std::shared_ptr<const Vocabulary> vocabulary;
  std::unique_ptr<Normalizer> normalizer;  // may be null
  AddedTokens added;
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // may be null
  std::unique_ptr<SubwordModel> model;
  PostProcessor post_processor;
  DecoderChain decoder;
  std::optional<TokenId> bos;
  std::vector<TokenId> eos;
};

/// Throws InputError when a special token names an id that is not in the vocabulary.
std::unique_ptr<Tokenizer> make_pipeline(Pipeline pipeline, const std::string& source);

}  // namespace halftone
